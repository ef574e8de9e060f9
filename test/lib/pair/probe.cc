#include "test/lib/pair/probe.h"

#include <functional>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "common/sys/process.h"

namespace xpu::testing {
namespace {

absl::Status WithEth0(const std::string& netns, const std::function<absl::Status(Netlink&, int ifindex)>& work) {
  NetNamespacesReal namespaces;
  NetlinkFactoryReal factory;
  XPU_ASSIGN_OR_RETURN(const auto ns, namespaces.Open(netns));
  XPU_ASSIGN_OR_RETURN(const auto netlink, factory.Open(ns));
  XPU_ASSIGN_OR_RETURN(const Link link, netlink->GetLink("eth0"));
  return work(*netlink, link.ifindex);
}

}  // namespace

absl::StatusOr<bool> Ping(const std::string& netns, const IpAddress& to, const std::string& from) {
  NetNamespacesReal namespaces;
  XPU_ASSIGN_OR_RETURN(const auto ns, namespaces.Open(netns));
  std::vector<std::string> argv = {"ping", to.is_v4() ? "-4" : "-6", "-n", "-q", "-c", "1", "-w", "1"};
  if (!from.empty()) argv.insert(argv.end(), {"-I", from});
  argv.push_back(to.ToString());
  XPU_ASSIGN_OR_RETURN(Process ping, Process::Spawn({.argv = argv, .net_namespace = ns, .log_file = "/dev/null"}));
  XPU_ASSIGN_OR_RETURN(const ExitStatus ended, ping.Wait(absl::Now() + absl::Seconds(30)));
  // ping(8): 1 is "no answer", 2 an error such as a source address that is not the pod's.
  if (ended.code == 0 || ended.code == 1) return ended.code == 0;
  return absl::InternalError(absl::StrCat("ping ", to.ToString(), " from ", netns, ": ", ended.ToString()));
}

absl::Status SetMac(const std::string& netns, const MacAddress& mac) {
  return WithEth0(netns, [&](Netlink& netlink, int ifindex) { return netlink.ChangeLink(ifindex, {.mac = mac}); });
}

absl::Status AddAddress(const std::string& netns, const InterfaceAddress& address) {
  return WithEth0(netns, [&](Netlink& netlink, int ifindex) { return netlink.AddAddress(ifindex, address); });
}

absl::Status RemoveAddress(const std::string& netns, const InterfaceAddress& address) {
  return WithEth0(netns, [&](Netlink& netlink, int ifindex) { return netlink.DeleteAddress(ifindex, address); });
}

}  // namespace xpu::testing
