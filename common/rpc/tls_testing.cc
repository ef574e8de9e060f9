#include "common/rpc/tls_testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace xpu::testing {
namespace {

constexpr char kNewKey[] = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ";

void Run(const std::string& script) {
  EXPECT_EQ(system(absl::StrCat("exec 2>/dev/null; set -e; ", script).c_str()), 0) << script;
}

}  // namespace

TestAuthority::TestAuthority(std::string folder, std::string name)
    : folder_(std::move(folder)), base_(absl::StrCat(folder_, "/", name)) {
  Run(absl::StrCat("openssl req -x509 ", kNewKey, base_, ".ca.key -out ", base_, ".ca.crt -subj /CN=", name,
                   " -days 2"));
}

TlsFiles TestAuthority::Sign(const std::string& name, const std::string& uri) const {
  const std::string base = absl::StrCat(folder_, "/", name);
  // Each file comes whole, by rename.
  Run(absl::StrCat("openssl req ", kNewKey, base, ".key.new -out ", base, ".csr -subj /CN=", name,
                   "; printf 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
                   uri.empty() ? "" : ",URI:", uri, "' > ", base, ".ext; openssl x509 -req -in ", base,
                   ".csr -CA ", base_, ".ca.crt -CAkey ", base_, ".ca.key -CAcreateserial -days 2 -extfile ",
                   base, ".ext -out ", base, ".crt.new; mv ", base, ".key.new ", base, ".key; mv ", base,
                   ".crt.new ", base, ".crt"));
  return {base + ".crt", base + ".key", base_ + ".ca.crt"};
}

ReservedPort::ReservedPort(const std::string& address) {
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  const bool is_v6 = inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1;
  EXPECT_TRUE(is_v6 || inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) << address;
  auto* where = is_v6 ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
  socklen_t size = is_v6 ? sizeof v6 : sizeof v4;
  fd_.Reset(socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // Bound and not listening, which does not hinder a server that says the same.
  const int on = 1;
  setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  EXPECT_EQ(bind(fd_.get(), where, size), 0) << strerror(errno);
  EXPECT_EQ(getsockname(fd_.get(), where, &size), 0);
  port_ = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
}

}  // namespace xpu::testing
