#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/kube/resource_store.h"

namespace xpu {

// Paths of the Kubernetes API ("API Overview", resource URIs).

// "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/netdevs"; without the namespace part if `ns` is
// empty.
std::string CollectionPath(const ResourceKind& kind, const std::string& ns);
// The object's, with "/<subresource>" behind if that is not empty.
std::string ObjectPath(const ResourceKind& kind, const ResourceName& name,
                       const std::string& subresource = "");
// "?a=b&c=d" of those whose value is not empty; empty if there are none.
std::string QueryOf(const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace xpu
