#pragma once

#include <string>
#include <vector>

#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "gtest/gtest.h"
#include "host-agent/testing/world.h"
#include "test/lab/card.h"

namespace xpu::testing {

// A world whose kernel and card are real; its xPU agent and the journal are in memory.
class CardWorld final : public World {
 public:
  // The card has `vfs` virtual functions.
  explicit CardWorld(int vfs) : card_(vfs) {
    // igbvf makes up a MAC and tells the physical function of it only when the interface is up; that counts
    // as what is kept for it.
    for (int i = 0; i < vfs; ++i) {
      const std::optional<Link> link = AtHome(i);
      for (const bool up : {true, false}) {
        LinkChange change;
        change.up = up;
        EXPECT_TRUE(link && card_.netlink().ChangeLink(link->ifindex, change).ok());
      }
    }
  }
  ~CardWorld() override {
    for (const std::string& path : pods_) EXPECT_TRUE(RemoveBoundNamespace(path).ok());
  }
  PciBus& bus() override { return card_.bus(); }
  NetlinkFactory& netlinks() override { return netlinks_; }
  NetNamespaces& namespaces() override { return namespaces_; }
  PciAddress pf() const override { return card_.pf(); }
  PciAddress vf(int i) const override { return card_.vf(i); }
  std::string MakePod(const std::string& name) override {
    pods_.push_back(folder_.path() + "/" + name);
    EXPECT_TRUE(CreateBoundNamespace(pods_.back()).ok());
    return pods_.back();
  }
  void RemovePod(const std::string& path) override { EXPECT_TRUE(RemoveBoundNamespace(path).ok()); }
  Card& card() { return card_; }

 private:
  Card card_;
  NetlinkFactoryReal netlinks_;
  NetNamespacesReal namespaces_;
  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  std::vector<std::string> pods_;
};

}  // namespace xpu::testing
