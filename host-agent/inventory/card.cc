#include "host-agent/inventory/card.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

bool IsDnsLabel(absl::string_view text) {
  const auto alnum = [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); };
  return !text.empty() && text.size() <= 63 && alnum(text.front()) && alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return alnum(c) || c == '-'; });
}

}  // namespace

absl::StatusOr<CardConfig> ParseCard(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 2));
  if (parts.size() < 2 || parts.back().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "card \"", text,
        "\": write NAME=PF=ENDPOINT, for example card0=0000:03:00.0=unix:/run/xpu/xpu-agent.sock, or NAME=PF "
        "for a network card without an xPU agent"));
  }
  if (!IsDnsLabel(parts[0])) {
    return absl::InvalidArgumentError(absl::StrCat(
        "card \"", text, "\": the name \"", parts[0],
        "\" must have 1 to 63 lower-case letters, digits and '-', and begin and end with none of the last"));
  }
  const absl::StatusOr<PciAddress> pf = PciAddress::Parse(parts[1]);
  if (!pf.ok()) return Annotate(pf.status(), absl::StrCat("card \"", text, "\""));
  return CardConfig{parts[0], *pf, parts.size() == 3 ? parts[2] : ""};
}

absl::Status CheckCards(const std::vector<CardConfig>& cards) {
  std::set<PciAddress> pfs;
  std::map<std::string, std::string> endpoints;
  for (const CardConfig& card : cards) {
    if (!pfs.insert(card.pf).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("physical function ", card.pf.ToString(), " is given for two cards; give it once"));
    }
    const auto [it, added] = endpoints.emplace(card.name, card.endpoint);
    if (!added && it->second != card.endpoint) {
      const auto shown = [](const std::string& endpoint) { return endpoint.empty() ? "none" : endpoint; };
      return absl::InvalidArgumentError(absl::StrCat("card ", card.name, " has two endpoints, ",
                                                     shown(it->second), " and ", shown(card.endpoint),
                                                     "; a card has one xPU agent"));
    }
  }
  return absl::OkStatus();
}

}  // namespace xpu
