#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/mac_address.h"
#include "common/base/pci_address.h"

namespace xpu {

// A subfunction that a physical function is to have.
struct SubfunctionSetup {
  uint32_t number = 0;
  // Without: what the card gives it.
  std::optional<MacAddress> mac;
  friend bool operator==(const SubfunctionSetup&, const SubfunctionSetup&) = default;
};

// Which functions a physical function is to have, and how. By default: whatever there is.
struct PfSetup {
  // Number of virtual functions.
  std::optional<int> vfs;
  // Drivers of virtual functions, by index; one that is not in here keeps the driver that it has.
  std::map<int, std::string> drivers;
  // In the order of their numbers; others are removed.
  std::optional<std::vector<SubfunctionSetup>> sfs;
  friend bool operator==(const PfSetup&, const PfSetup&) = default;
};

// One physical function that this host may use, and where the xPU agent of its card is. A card with several
// ports has one of these for each, with the same name and endpoint. A network card that is no DPU has no
// endpoint.
struct CardConfig {
  std::string name;
  PciAddress pf;
  // As MakeChannel takes it; empty: there is no agent.
  std::string endpoint = {};
  PfSetup setup = {};
  friend bool operator==(const CardConfig&, const CardConfig&) = default;
};

// "NAME=PF=ENDPOINT", e.g. "card0=0000:03:00.0=unix:/run/xpu/xpu-agent.sock", or "NAME=PF" for a card without
// an agent. The name becomes part of resources, so it is a label of RFC 1123. InvalidArgument otherwise.
absl::StatusOr<CardConfig> ParseCard(absl::string_view text);

// InvalidArgument if a physical function is named twice, or a card has two endpoints.
absl::Status CheckCards(const std::vector<CardConfig>& cards);

}  // namespace xpu
