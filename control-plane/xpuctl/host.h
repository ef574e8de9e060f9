#pragma once

#include <functional>
#include <iosfwd>
#include <string>

#include "absl/status/status.h"

namespace CLI {
class App;
}  // namespace CLI

namespace xpu {

// What a host agent knows, asked over its own socket: it needs no API server.
struct HostViewOptions {
  // "pfs", "functions" or "claims".
  std::string what = "pfs";
  // "table" or "json".
  std::string output = "table";
  // As MakeChannel takes it.
  std::string agent;
};

absl::Status ShowHost(const HostViewOptions& options, std::ostream& out);

// Adds the command "host".
void AddHostCommand(CLI::App& app, std::ostream& out, std::ostream& err,
                    const std::function<std::string(const char*)>& environment);

}  // namespace xpu
