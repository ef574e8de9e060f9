#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/base/ip_address.h"
#include "common/kube/resource_store.h"

namespace xpu {

// Where frames for a card's ports are sent to; nothing if they are not to be sent: the card is gone, drained
// or not ready, or has no tunnels.
std::optional<IpAddress> TunnelEndOf(const Resource& card);

// Says in this card's Card resource where its tunnels end, and that it is ready. Reconcile() is called for
// one name at a time.
class CardController {
 public:
  struct Deps {
    ResourceStore* store = nullptr;
    Clock* clock = nullptr;
    // The object as the informer knows it.
    std::function<std::optional<Resource>(const ResourceName&)> get;
  };
  CardController(std::string card, IpAddress vtep, Deps deps)
      : name_{"", std::move(card)}, vtep_(vtep), deps_(std::move(deps)) {}

  const ResourceName& name() const { return name_; }
  // Makes the resource if it is not there; only that of this card.
  absl::Status Reconcile(const ResourceName& name);

 private:
  const ResourceName name_;
  const IpAddress vtep_;
  const Deps deps_;
};

}  // namespace xpu
