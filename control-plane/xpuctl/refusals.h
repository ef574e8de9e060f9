#pragma once

#include <functional>
#include <iosfwd>
#include <string>

#include "absl/status/status.h"

namespace CLI {
class App;
}  // namespace CLI

namespace xpu {

// What a card's agent has refused, asked on the card over its own socket.
struct RefusalsOptions {
  // "table" or "json".
  std::string output = "table";
  // As MakeChannel takes it.
  std::string agent = "unix:/run/xpu/xpu-agent.sock";
};

absl::Status ShowRefusals(const RefusalsOptions& options, std::ostream& out);

// Adds the command "refusals".
void AddRefusalsCommand(CLI::App& app, std::ostream& out, std::ostream& err,
                        const std::function<std::string(const char*)>& environment);

}  // namespace xpu
