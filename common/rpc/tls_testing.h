#pragma once

#include <string>

#include "common/base/unique_fd.h"
#include "common/rpc/tls_credentials.h"

namespace xpu::testing {

// A certificate authority for tests, made with the openssl program, with all its files in one folder.
class TestAuthority {
 public:
  // `folder` is there, and outlives what is signed. `name` is for the files.
  TestAuthority(std::string folder, std::string name);

  // Signs a certificate for 127.0.0.1, ::1 and localhost, which is good for clients too, with `uri` as one
  // more of its names if not empty. The files are <folder>/<name>.crt and .key, and the authority's.
  TlsFiles Sign(const std::string& name, const std::string& uri = "") const;

 private:
  const std::string folder_;
  const std::string base_;
};

// A TCP port that nobody else is given for as long as this lives, for a server of the test to listen on.
class ReservedPort {
 public:
  // `address` is numeric, IPv4 or IPv6.
  explicit ReservedPort(const std::string& address = "127.0.0.1");
  int port() const { return port_; }

 private:
  UniqueFd fd_;
  int port_ = 0;
};

}  // namespace xpu::testing
