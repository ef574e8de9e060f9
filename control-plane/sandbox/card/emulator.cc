#include "control-plane/sandbox/card/emulator.h"

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/sys/net_namespaces_real.h"
#include "control-plane/sandbox/card/card.h"
#include "control-plane/sandbox/card/fuse_mount.h"
#include "control-plane/sandbox/card/sysfs_view.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

// The cards and the trees that show them.
class Emulator {
 public:
  absl::Status Start(const CardEmulatorOptions& options, EventLoop& loop) {
    NetNamespacesReal namespaces;
    XPU_ASSIGN_OR_RETURN(const std::shared_ptr<NetNamespace> host, namespaces.Open(options.host_netns));
    for (const CardEmulatorOptions::Card& wanted : options.cards) {
      XPU_ASSIGN_OR_RETURN(std::shared_ptr<NetNamespace> dpu, namespaces.Open(wanted.dpu_netns));
      XPU_ASSIGN_OR_RETURN(std::unique_ptr<Card> card,
                           Card::Start({wanted.index, wanted.total_vfs, host, std::move(dpu)}, loop));
      if (card->num_vfs() == 0 && card->WriteNumVfs(absl::StrCat(wanted.initial_vfs)) != 0) {
        return absl::InternalError(absl::StrCat("card ", wanted.index, ": could not make ",
                                                wanted.initial_vfs,
                                                " virtual functions; the lines above say why"));
      }
      numbers_.push_back(wanted.index);
      cards_.push_back(std::move(card));
    }
    dpu_trees_.resize(cards_.size());
    FuseMount::Callbacks callbacks;
    callbacks.tree = [this] { return HostTree(); };
    callbacks.write = [this](absl::string_view path, absl::string_view data) { return Write(path, data); };
    XPU_RETURN_IF_ERROR(Mount(options.host_sysfs, loop, callbacks));
    callbacks.write = [](absl::string_view, absl::string_view) { return EACCES; };
    for (size_t i = 0; i < cards_.size(); ++i) {
      callbacks.tree = [this, i] { return DpuTree(i); };
      XPU_RETURN_IF_ERROR(Mount(options.cards[i].dpu_sysfs, loop, callbacks));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Mount(const std::string& path, EventLoop& loop, const FuseMount::Callbacks& callbacks) {
    XPU_ASSIGN_OR_RETURN(std::unique_ptr<FuseMount> mount, FuseMount::Mount(path, loop, callbacks));
    mounts_.push_back(std::move(mount));
    return absl::OkStatus();
  }

  // A tree is built anew only when one of its cards has changed: a look at sysfs is many requests.
  struct CachedTree {
    std::vector<uint64_t> generations;
    std::shared_ptr<const FileTree> tree = std::make_shared<const FileTree>();
  };

  // The tree that `build` makes of `cards`; the last one if the kernel does not answer.
  static std::shared_ptr<const FileTree> Tree(
      CachedTree& cached, const std::vector<Card*>& cards,
      const std::function<FileTree(const std::vector<CardView>&)>& build) {
    const absl::Status status = [&]() -> absl::Status {
      std::vector<uint64_t> generations;
      for (Card* card : cards) {
        XPU_ASSIGN_OR_RETURN(const uint64_t generation, card->Refresh());
        generations.push_back(generation);
      }
      if (generations == cached.generations) return absl::OkStatus();
      std::vector<CardView> views;
      for (Card* card : cards) {
        XPU_ASSIGN_OR_RETURN(CardView view, card->View());
        views.push_back(std::move(view));
      }
      cached.tree = std::make_shared<const FileTree>(build(views));
      cached.generations = std::move(generations);
      return absl::OkStatus();
    }();
    if (!status.ok()) spdlog::error("{}", status.ToString());
    return cached.tree;
  }

  std::shared_ptr<const FileTree> HostTree() {
    std::vector<Card*> cards;
    for (const auto& card : cards_) cards.push_back(card.get());
    return Tree(host_tree_, cards, HostSysfs);
  }

  std::shared_ptr<const FileTree> DpuTree(size_t card) {
    return Tree(dpu_trees_[card], {cards_[card].get()},
                [](const std::vector<CardView>& views) { return DpuSysfs(views.front()); });
  }

  int Write(absl::string_view path, absl::string_view data) {
    const int number = CardOfNumVfs(path);
    for (size_t i = 0; i < cards_.size(); ++i) {
      if (numbers_[i] == number) return cards_[i]->WriteNumVfs(data);
    }
    return EACCES;
  }

  std::vector<int> numbers_;
  std::vector<std::unique_ptr<Card>> cards_;
  CachedTree host_tree_;
  std::vector<CachedTree> dpu_trees_;
  std::vector<std::unique_ptr<FuseMount>> mounts_;
};

}  // namespace

absl::StatusOr<CardEmulatorOptions::Card> ParseEmulatedCard(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '=');
  CardEmulatorOptions::Card card;
  if (parts.size() != 4 || !absl::SimpleAtoi(parts[0], &card.index) ||
      !absl::SimpleAtoi(parts[1], &card.total_vfs) || parts[2].empty() || parts[3].empty()) {
    return absl::InvalidArgumentError(absl::StrCat("card '", text,
                                                   "': write INDEX=VFS=DPU_NETNS=DPU_SYSFS, such as "
                                                   "0=8=/run/x/netns/dpu0=/run/x/dpu0/sys"));
  }
  card.initial_vfs = card.total_vfs;
  card.dpu_netns = parts[2];
  card.dpu_sysfs = parts[3];
  return card;
}

absl::Status RunCardEmulator(const CardEmulatorOptions& options, EventLoop& loop,
                             const std::function<absl::Status()>& ready) {
  Emulator emulator;
  XPU_RETURN_IF_ERROR(emulator.Start(options, loop));
  XPU_RETURN_IF_ERROR(ready());
  loop.Run();
  return absl::OkStatus();
}

}  // namespace xpu
