#include "common/opi/opi_names.h"

#include <limits>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

// What objects of a kind are called before their id.
struct Collection {
  absl::string_view own;
  absl::string_view evpn;
};
constexpr absl::string_view kEvpnService = "//network.opiproject.org/";
constexpr Collection kVrfs = {"vrfs/", "//network.opiproject.org/vrfs/"};
constexpr Collection kBridges = {"logicalBridges/", "//network.opiproject.org/bridges/"};
constexpr Collection kPorts = {"bridgePorts/", "//network.opiproject.org/ports/"};
constexpr Collection kSvis = {"svis/", "//network.opiproject.org/svis/"};

absl::StatusOr<std::string> IdIn(absl::string_view name, const Collection& collection) {
  absl::string_view id = name;
  if (!absl::ConsumePrefix(&id, collection.own)) absl::ConsumePrefix(&id, collection.evpn);
  if (absl::Status status = CheckOpiId(id); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is no name; write \"", collection.own,
                                                   "<id>\" (", status.message(), ")"));
  }
  return std::string(id);
}

// A number up to `max`, without sign or leading zeros.
template <typename Number>
bool ParseIndex(absl::string_view text, uint32_t max, Number* index) {
  if (text.empty() || text.size() > 10 || (text.size() > 1 && text[0] == '0')) return false;
  for (char c : text) {
    if (!absl::ascii_isdigit(c)) return false;
  }
  return absl::SimpleAtoi(text, index) && static_cast<uint32_t>(*index) <= max;
}

constexpr uint32_t kMaxFunction = 0xffff;
// The kernel counts subfunctions with 32 bits.
uint32_t MaxIndex(const PortFunction& function) {
  return function.is_subfunction ? std::numeric_limits<uint32_t>::max() : kMaxFunction;
}

}  // namespace

std::string VrfName(absl::string_view id) { return absl::StrCat(kVrfs.own, id); }
std::string LogicalBridgeName(absl::string_view id) { return absl::StrCat(kBridges.own, id); }
std::string BridgePortName(absl::string_view id) { return absl::StrCat(kPorts.own, id); }
std::string SviName(absl::string_view id) { return absl::StrCat(kSvis.own, id); }

absl::StatusOr<std::string> VrfId(absl::string_view name) { return IdIn(name, kVrfs); }
absl::StatusOr<std::string> LogicalBridgeId(absl::string_view name) { return IdIn(name, kBridges); }
absl::StatusOr<std::string> BridgePortId(absl::string_view name) { return IdIn(name, kPorts); }
absl::StatusOr<std::string> SviId(absl::string_view name) { return IdIn(name, kSvis); }

NameDialect DialectOf(absl::string_view name) {
  return absl::StartsWith(name, kEvpnService) ? NameDialect::kEvpnBridge : NameDialect::kApi;
}

std::string InDialect(absl::string_view name, NameDialect dialect) {
  if (dialect == NameDialect::kApi) return std::string(name);
  for (const Collection& collection : {kVrfs, kBridges, kPorts, kSvis}) {
    absl::string_view id = name;
    if (absl::ConsumePrefix(&id, collection.own)) return absl::StrCat(collection.evpn, id);
  }
  return std::string(name);
}

absl::Status CheckOpiId(absl::string_view id) {
  bool good = !id.empty() && id.size() <= 253 && absl::ascii_isalnum(id[0]);
  for (char c : id) good = good && (absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.');
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "an id is 1 to 253 letters, digits, '-', '_' and '.', the first a letter or digit");
}

absl::StatusOr<PortFunction> PortFunction::FromPortId(absl::string_view id) {
  absl::string_view rest = id;
  PortFunction function;
  if (absl::ConsumePrefix(&rest, "host")) {
    const size_t dash = rest.find('-');
    if (dash != absl::string_view::npos && ParseIndex(rest.substr(0, dash), kMaxFunction, &function.pf)) {
      rest.remove_prefix(dash + 1);
      function.is_subfunction = absl::ConsumePrefix(&rest, "sf");
      if (ParseIndex(rest, MaxIndex(function), &function.index)) return function;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", id, "\" names no function; write \"host<PF>-<VF>\", e.g. \"host0-3\", or \"host<PF>-sf<N>\""));
}

absl::StatusOr<PortFunction> PortFunction::FromPhysPortName(absl::string_view name) {
  absl::string_view rest = name;
  PortFunction function;
  if (absl::ConsumePrefix(&rest, "pf")) {
    const size_t end = rest.find_first_not_of("0123456789");
    if (end != absl::string_view::npos && ParseIndex(rest.substr(0, end), kMaxFunction, &function.pf)) {
      rest.remove_prefix(end);
      function.is_subfunction = absl::ConsumePrefix(&rest, "sf");
      if ((function.is_subfunction || absl::ConsumePrefix(&rest, "vf")) &&
          ParseIndex(rest, MaxIndex(function), &function.index)) {
        return function;
      }
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is not the port of a function"));
}

std::string PortFunction::ToPortId() const {
  return absl::StrCat("host", pf, is_subfunction ? "-sf" : "-", index);
}
std::string PortFunction::ToPhysPortName() const {
  return absl::StrCat("pf", pf, is_subfunction ? "sf" : "vf", index);
}

}  // namespace xpu
