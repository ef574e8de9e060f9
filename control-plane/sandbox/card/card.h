#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/event_loop.h"
#include "common/sys/netlink.h"
#include "control-plane/sandbox/card/card_model.h"
#include "control-plane/sandbox/card/link_table.h"

namespace xpu {

// One emulated card: its functions are the ends of veth pairs in the host's namespace, their representors the
// other ends in the DPU's. Belongs to the loop's thread.
//
// A function that vanishes because the namespace it was in died comes back to the host's namespace, as
// hardware does; a pair of veth cannot, so it is made anew, with the same names and MACs. A representor that
// somebody takes to another namespace and back is the function's again.
class Card {
 public:
  struct Options {
    int index = 0;      // 0 to kMaxCards - 1
    int total_vfs = 0;  // 0 to kMaxVfs
    std::shared_ptr<NetNamespace> host;
    std::shared_ptr<NetNamespace> dpu;
  };
  // Makes the physical function, or takes over what a former emulator left in the namespaces.
  static absl::StatusOr<std::unique_ptr<Card>> Start(const Options& options, EventLoop& loop);

  int num_vfs() const { return static_cast<int>(ports_.size()) - 1; }
  // What the kernel does when `text` is written to sriov_numvfs: 0 or an errno (EINVAL, ERANGE, EBUSY).
  int WriteNumVfs(absl::string_view text);
  // Takes in what has happened, so that View() is as the card is now, and gives a number that changes
  // whenever View() may.
  absl::StatusOr<uint64_t> Refresh();
  // As of the last refresh.
  absl::StatusOr<CardView> View();

 private:
  struct Port {
    CardPort model;
    // In the DPU's namespace; 0 while the pair is not there. This, and not a name, tells which interface is
    // the function's: others may rename it.
    int representor_ifindex = 0;
  };

  Card(const Options& options, LinkTable host_links, LinkTable dpu_links, std::unique_ptr<Netlink> host,
       std::unique_ptr<Netlink> dpu);
  absl::Status AddPort(int vf_index);
  absl::Status MakePair(Port& port);
  absl::Status RemoveLastVf();
  absl::Status ReadNews();
  // Makes pairs again that are gone, and finds representors again that have been away.
  absl::Status Heal();
  // Takes the representor of `port` as its own again if it is back in the DPU's namespace, from another.
  // Returns whether it is.
  bool FindAgain(Port& port);

  const Options options_;
  LinkTable host_links_;
  LinkTable dpu_links_;
  std::unique_ptr<Netlink> host_;
  std::unique_ptr<Netlink> dpu_;
  // The physical function and then the virtual ones in order.
  std::vector<Port> ports_;
  uint64_t generation_ = 1;
  EventLoop::Handle news_;
};

}  // namespace xpu
