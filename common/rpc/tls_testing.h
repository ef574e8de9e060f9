#pragma once

#include <string>

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

}  // namespace xpu::testing
