#pragma once

#include <iosfwd>
#include <map>
#include <string>

#include "xpu-agent/datapath/offload.h"

namespace CLI {
class App;
}

namespace xpu {

// Adds "offload" to a command-line program: what of a card's traffic its hardware forwards, port by port. To
// be run on the DPU. A command that fails throws CLI::RuntimeError(1).
void AddOffloadCommand(CLI::App& app);

// As a table.
void PrintOffload(const std::map<std::string, PortOffload>& ports, std::ostream& out);

}  // namespace xpu
