#pragma once

#include <array>
#include <cstdint>
#include <string_view>

// What the CNI plugin and the host agent both have to know of the CNI specification. Constants only: the
// plugin is started for every pod and links nothing that it does not need.

namespace xpu {

// The versions of the specification that configurations may ask for, oldest first.
inline constexpr std::array<std::string_view, 4> kCniVersions = {"0.3.1", "0.4.0", "1.0.0", "1.1.0"};
inline constexpr std::string_view kNewestCniVersion = kCniVersions.back();

constexpr bool IsCniVersion(std::string_view version) {
  for (std::string_view known : kCniVersions) {
    if (known == version) return true;
  }
  return false;
}

// The version that brought CHECK, and the one that brought GC and STATUS.
inline constexpr std::string_view kCniVersionOfCheck = "0.4.0";
inline constexpr std::string_view kCniVersionOfGcAndStatus = "1.1.0";

// Whether `version` is at least as new as `since`; both are of kCniVersions.
constexpr bool IsCniVersionSince(std::string_view version, std::string_view since) {
  bool reached = false;
  for (std::string_view known : kCniVersions) {
    if (known == since) reached = true;
    if (known == version) return reached;
  }
  return false;
}

// Error codes (specification 1.1.0, section 5, "Error"); 100 and above are the plugin's own.
enum CniErrorCode : uint32_t {
  kCniIncompatibleVersion = 1,
  kCniUnsupportedField = 2,
  kCniUnknownContainer = 3,
  kCniInvalidEnvironment = 4,
  kCniIoFailure = 5,
  kCniDecodingFailure = 6,
  kCniInvalidConfig = 7,
  kCniTryAgainLater = 11,
  // STATUS: no ADD can be served. With the second, what is attached may be cut off as well.
  kCniNotAvailable = 50,
  kCniLimitedConnectivity = 51,
  // The host agent itself failed, or what answers is no host agent.
  kCniAgentFailure = 100,
};

}  // namespace xpu
