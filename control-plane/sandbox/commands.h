#pragma once

namespace CLI {
class App;
}

namespace xpu {

// Adds "sandbox up|down|status" to a command-line program. Errors go to standard error; a subcommand that
// fails throws CLI::RuntimeError(1), which CLI11 turns into the exit code.
void AddSandboxCommands(CLI::App& app);

}  // namespace xpu
