#pragma once

#include <optional>
#include <string>

#include "common/base/function_id.h"
#include "common/kube/resource_store.h"
#include "host-agent/alloc/journal.h"

namespace xpu {

// "<host>-0000-03-00-2", or "<host>-0000-03-00-0-sf88" for a subfunction.
std::string NetdevName(const std::string& host, const FunctionId& function);

// The Netdev that records a row: in the namespace of its Network, or in "default" if it is in none: claimed
// only, or in the network of a VLAN. Nothing for a claim that is being undone: the record's end asks the xPU
// agent to give the port back.
std::optional<Resource> NetdevFor(const std::string& host, const ClaimRow& row);

// Whether the resource says of labels and spec what the record does. What others have added is left alone.
// The operator's part, spec.bandwidth, is nobody's to take back while the claim lasts.
bool SaysTheSame(const Resource& resource, const Resource& record);

// Gives `resource` the record's labels (common/api/field_labels.h), and takes those of its own away that the
// record has not. Others stay.
void TakeLabels(const Resource& record, Resource* resource);

// The spec that `resource` is to have: the record's, with what operators have put into it.
nlohmann::json SpecFor(const Resource& resource, const Resource& record);

// Whether the one can be made the other by an update; host, function, card and port never change.
bool CanBecome(const Resource& resource, const Resource& record);

}  // namespace xpu
