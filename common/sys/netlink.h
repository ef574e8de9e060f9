#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "common/sys/net_namespaces.h"
#include "common/sys/vf_settings.h"

namespace xpu {

// A network interface as rtnetlink reports it (rtnetlink(7)).
struct Link {
  int ifindex = 0;
  std::string name;
  // "veth", "bridge", …; empty for hardware.
  std::string kind;
  MacAddress mac;
  // Bytes of layer 3.
  uint32_t mtu = 0;
  bool up = false;       // IFF_UP
  bool carrier = false;  // IFF_LOWER_UP
  // IFLA_IFALIAS; stays with the interface when it moves to another namespace.
  std::string alias;
  // IFLA_PARENT_DEV_NAME: PCI address of the device behind it; empty for virtual ones.
  std::string parent_device;
  // IFLA_LINK: the interface that this one hangs on; for a veth the other end. 0 for none.
  int lower_ifindex = 0;
  // IFLA_LINK_NETNSID: which namespace `lower_ifindex` counts in, as the number that this namespace knows
  // that one by; -1 for this one.
  int lower_nsid = -1;
};

// A unicast route. What is not set the kernel chooses.
struct Route {
  IpPrefix destination;  // length 0: default route
  std::optional<IpAddress> gateway = std::nullopt;
  // RTA_PREFSRC.
  std::optional<IpAddress> source = std::nullopt;
  // RT_SCOPE_*; by itself universe with a gateway and link without. IPv6 knows none and reports universe (0).
  std::optional<uint8_t> scope = std::nullopt;
  // RTA_PRIORITY; of two routes to a destination the one with the lower metric is taken. By itself 0 for
  // IPv4, 1024 for IPv6.
  std::optional<uint32_t> metric = std::nullopt;
  // RTA_TABLE; by itself the main one, 254.
  std::optional<uint32_t> table = std::nullopt;
  // RTAX_MTU and RTAX_ADVMSS, bytes.
  std::optional<uint32_t> mtu = std::nullopt;
  std::optional<uint32_t> advmss = std::nullopt;

  friend bool operator==(const Route&, const Route&) = default;
};

// The same with the scope, metric and table that the kernel chooses where they are not set.
Route WithDefaults(const Route& route);

// Whether `there`, as ListRoutes reports it, is what AddRoute made of `wanted`: all that is set in `wanted`
// is so, and what is not set is as the kernel chooses.
bool IsRoute(const Route& there, const Route& wanted);

// Several changes of one interface that the kernel makes in one request. Fields that are not set stay.
struct LinkChange {
  std::optional<std::string> name;
  std::optional<MacAddress> mac;
  std::optional<uint32_t> mtu;
  std::optional<bool> up;
  std::optional<std::string> alias;
  // Moves the interface into this namespace; name and the rest apply there.
  std::shared_ptr<NetNamespace> net_namespace;
};

// rtnetlink of one network namespace. Safe from any thread; calls of one object are serialised, so take one
// object per worker where work is to be parallel. Errors carry the kernel's words and what was asked.
class Netlink {
 public:
  virtual ~Netlink() = default;

  virtual absl::StatusOr<std::vector<Link>> ListLinks() = 0;
  // NotFound if there is none.
  virtual absl::StatusOr<Link> GetLink(const std::string& name) = 0;
  virtual absl::StatusOr<Link> GetLinkByIndex(int ifindex) = 0;
  // Index, name, MAC, MTU and `up` alone. Unlike GetLink it does not wait for those who change interfaces,
  // which takes long while one is moved to another namespace. NotFound if there is none.
  virtual absl::StatusOr<Link> PeekLink(const std::string& name) = 0;
  // All or nothing: what the kernel had done before it refused is undone. An interface that is up keeps being
  // up when it is renamed (older kernels cannot rename it then, so it goes down for that moment), but is down
  // after a move unless `up` is set. NotFound if the interface is gone; AlreadyExists if the name is taken
  // (in the target namespace).
  virtual absl::Status ChangeLink(int ifindex, const LinkChange& change) = 0;
  // NotFound if the interface is gone.
  virtual absl::Status DeleteLink(int ifindex) = 0;
  // Makes a pair of veth; the peer in `peer_namespace` if that is not null. AlreadyExists if a name is taken.
  virtual absl::Status CreateVeth(const std::string& name, const MacAddress& mac,
                                  const std::string& peer_name, const MacAddress& peer_mac,
                                  const std::shared_ptr<NetNamespace>& peer_namespace) = 0;

  // IPv6 addresses are added without duplicate address detection. Adding what is there is OK.
  // AlreadyExists if the address is there with another prefix length.
  virtual absl::Status AddAddress(int ifindex, const InterfaceAddress& address) = 0;
  // Removing what is not there is OK.
  virtual absl::Status DeleteAddress(int ifindex, const InterfaceAddress& address) = 0;
  // Global addresses only; link-local ones are left out.
  virtual absl::StatusOr<std::vector<InterfaceAddress>> ListAddresses(int ifindex) = 0;
  // Adding what is there is OK; AlreadyExists if another route holds the destination, with the same metric in
  // the same table.
  virtual absl::Status AddRoute(int ifindex, const Route& route) = 0;
  // Removes a route to `route.destination` that has all that is set in `route`, from the main table if none
  // is set. Removing what is not there is OK.
  virtual absl::Status DeleteRoute(int ifindex, const Route& route) = 0;
  // The routes that leave through the interface, of every table but the local one, with each field set that
  // the kernel tells. Those that the kernel made by itself (for the prefix of an address) are left out.
  // NotFound if the interface is gone.
  virtual absl::StatusOr<std::vector<Route>> ListRoutes(int ifindex) = 0;

  // What the physical function whose interface is `pf_ifindex` keeps for virtual function `vf`; with each
  // field set that its driver tells.
  //   NotFound       no such interface, or the function has not so many VFs
  //   Unimplemented  the driver tells nothing of its VFs
  virtual absl::StatusOr<VfSettings> GetVf(int pf_ifindex, int vf) = 0;
  // Sets what is set in `settings`. All or nothing: if the driver refuses one of them, those before it are
  // put back, as far as GetVf told them.
  //   Unimplemented      the driver, or who has power over the card, does not take one of them; names it
  //   InvalidArgument    a value that cannot be, or that the driver does not like
  //   NotFound           as GetVf
  virtual absl::Status SetVf(int pf_ifindex, int vf, const VfSettings& settings) = 0;

  // Calls `changed` on the loop for each interface that appears, changes or vanishes (then with `gone` true),
  // beginning with those that are there. After an overrun of the kernel's buffer every interface is told
  // again.
  class Monitor {
   public:
    virtual ~Monitor() = default;
  };
  virtual absl::StatusOr<std::unique_ptr<Monitor>> MonitorLinks(
      EventLoop& loop, std::function<void(const Link& link, bool gone)> changed) = 0;
};

// Makes a Netlink for a namespace (null: that of the process).
class NetlinkFactory {
 public:
  virtual ~NetlinkFactory() = default;
  virtual absl::StatusOr<std::unique_ptr<Netlink>> Open(const std::shared_ptr<NetNamespace>& ns) = 0;
};

}  // namespace xpu
