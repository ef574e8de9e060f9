#include "common/vendor_plugin/plugin_role.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace xpu {
namespace {

constexpr size_t kNamed = 8;

}  // namespace

std::string NameSome(const std::set<std::string>& names) {
  const std::vector<std::string> named(names.begin(),
                                       std::next(names.begin(), std::min<size_t>(names.size(), kNamed)));
  return absl::StrCat(absl::StrJoin(named, ", "),
                      names.size() > kNamed ? absl::StrCat(" and ", names.size() - kNamed, " more") : "");
}

absl::Status PluginRole::Take(bool on_card, const std::string& identifier,
                              const std::set<std::string>& in_use) {
  if (on_card != on_card_) {
    return absl::FailedPreconditionError(
        on_card_
            ? "dpu_mode: this is the card's side of the plugin; the host's is served by xpu-host-agent there "
              "(--vendor-plugin-socket)"
            : "dpu_mode: this is the host's side of the plugin; the card's is served by xpu-agent there "
              "(--vendor-plugin-socket)");
  }
  if (identifier_.has_value() && *identifier_ != identifier && !in_use.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "dpu_identifier: the plugin works for \"", *identifier_, "\", and not for \"", identifier,
        "\", as long as something is in use (", NameSome(in_use), "); give that back first"));
  }
  identifier_ = identifier;
  return absl::OkStatus();
}

}  // namespace xpu
