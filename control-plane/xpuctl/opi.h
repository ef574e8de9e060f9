#pragma once

#include <functional>
#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "common/rpc/rpc.h"

namespace CLI {
class App;
}  // namespace CLI

namespace xpu {

// A card's OPI objects, asked at its agent or at another vendor's OPI bridge: it needs no API server.
struct OpiOptions {
  // "vrfs", "bridges", "ports" or "svis".
  std::string what = "bridges";
  // "table" or "json".
  std::string output = "table";
  // A call instead: "Service/Method" of OPI's networks and its request, as JSON of protocol buffers.
  std::string method;
  std::string request = "{}";
  // As MakeChannel takes it.
  std::string agent = "unix:/run/xpu/xpu-agent.sock";
  TlsFiles tls;
};

absl::Status ShowOpi(const OpiOptions& options, std::ostream& out);
// Prints the answer as JSON. NotFound for a method that is none of OPI's networks, InvalidArgument for a
// request that is not the method's; otherwise the agent's own error.
absl::Status CallOpi(const OpiOptions& options, std::ostream& out);

// Adds the command "opi".
void AddOpiCommand(CLI::App& app, std::ostream& out, std::ostream& err,
                   const std::function<std::string(const char*)>& environment);

}  // namespace xpu
