#include "host-agent/podresources/rebuild.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"

namespace xpu {
namespace {

// What the interface was called at home, as systemd and most drivers name them; it had the same MAC and MTU
// as far as anybody can tell.
void SetHome(const HostFunction& function, const Link& link, ClaimRow* row) {
  row->host_ifname = function.pf_name.empty()
                         ? link.name
                         : absl::StrCat(function.pf_name,
                                        function.kind == HostFunction::Kind::kSf ? "s" : "v", function.index);
  row->host_mac = row->mac = link.mac;
  row->host_mtu = link.mtu;
  row->known_by_alias = link.parent_device.empty();
}

}  // namespace

std::vector<ClaimRow> Rebuild(const std::vector<HostFunction>& functions, const std::vector<ClaimRow>& rows,
                              const std::vector<FoundInterface>& interfaces, const Holders& holders) {
  std::set<FunctionId> known;
  for (const ClaimRow& row : rows) known.insert(row.function);
  std::map<FunctionId, const FoundInterface*> at_home, in_pod;
  for (const FoundInterface& found : interfaces) {
    (found.netns.empty() ? at_home : in_pod).emplace(found.function, &found);
  }

  std::vector<ClaimRow> added;
  for (const HostFunction& function : functions) {
    if (known.contains(function.id)) continue;
    const auto holder = holders.find(function.id);
    const auto home = at_home.find(function.id);
    // What is at home is in no pod, whatever somebody has written as the alias of an interface there.
    const auto pod = home == at_home.end() ? in_pod.find(function.id) : in_pod.end();
    if (pod == in_pod.end() && holder == holders.end()) continue;
    ClaimRow row;
    row.function = function.id;
    row.card = function.card;
    row.port = function.port;
    if (pod != in_pod.end()) {
      const FoundInterface& found = *pod->second;
      SetHome(function, found.link, &row);
      row.state = ClaimState::kAttached;
      row.attachment = Attachment{
          .container_id = UnknownContainer(found.netns), .ifname = found.link.name, .netns = found.netns};
      if (holder != holders.end()) {
        row.attachment->pod_namespace = holder->second.pod.ns;
        row.attachment->pod_name = holder->second.pod.name;
      }
      row.confirmed = true;
      row.addresses = found.addresses;
      row.gateways = found.gateways;
      row.mtu = found.link.mtu;
    } else if (home != at_home.end()) {
      SetHome(function, home->second->link, &row);
      row.host_ifname = home->second->link.name;
    } else {
      row.vfio = !function.vfio_node.empty();
    }
    added.push_back(std::move(row));
  }
  return added;
}

}  // namespace xpu
