#pragma once

#include <optional>
#include <string_view>

namespace xpu {

// Runtimes ask for VERSION before other commands, for each plugin of each network anew, and most of what that
// costs is the start of a program: pages that are touched for the first time. So a call for VERSION with the
// configuration that the CNI library sends, or none, is answered before libraries are initialised, by code
// that needs none of them, and the process ends. Other calls go on to main().

// What has been read of standard input before main(), from a configuration that must be looked at properly.
std::string_view ReadEarly();

// The version that is all that `config` says, or an empty one if it is empty; nothing if it says anything
// else or is not written plainly.
std::optional<std::string_view> PlainVersion(std::string_view config);

}  // namespace xpu
