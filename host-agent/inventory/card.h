#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/pci_address.h"

namespace xpu {

// One physical function that this host may use, and where the xPU agent of its card is. A card with several
// ports has one of these for each, with the same name and endpoint.
struct CardConfig {
  std::string name;
  PciAddress pf;
  // As MakeChannel takes it.
  std::string endpoint;
  friend bool operator==(const CardConfig&, const CardConfig&) = default;
};

// "NAME=PF=ENDPOINT", e.g. "card0=0000:03:00.0=unix:/run/xpu/xpu-agent.sock". The name becomes part of
// resources, so it is a label of RFC 1123. InvalidArgument otherwise.
absl::StatusOr<CardConfig> ParseCard(absl::string_view text);

// InvalidArgument if a physical function is named twice, or a card has two endpoints.
absl::Status CheckCards(const std::vector<CardConfig>& cards);

}  // namespace xpu
