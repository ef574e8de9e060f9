#include "common/rpc/tls_testing.h"

#include <cstdlib>
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

}  // namespace xpu::testing
