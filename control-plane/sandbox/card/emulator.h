#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/event_loop.h"

namespace xpu {

struct CardEmulatorOptions {
  struct Card {
    int index = 0;
    int total_vfs = 0;
    // How many virtual functions it is to have at the start, if it has none yet.
    int initial_vfs = 0;
    // The DPU's network namespace, and the folder that becomes its /sys.
    std::string dpu_netns;
    std::string dpu_sysfs;
  };
  std::string host_netns;
  std::string host_sysfs;
  std::vector<Card> cards;
};

// "INDEX=VFS=DPU_NETNS=DPU_SYSFS": a card that can have and begins with VFS virtual functions.
absl::StatusOr<CardEmulatorOptions::Card> ParseEmulatedCard(absl::string_view text);

// Emulates cards until the loop is stopped; calls `ready` when all functions are there and the folders are
// mounted. Then unmounts; the interfaces stay, so that an emulator that is started again finds the pods'
// functions where they were, and go with their namespaces.
absl::Status RunCardEmulator(const CardEmulatorOptions& options, EventLoop& loop,
                             const std::function<absl::Status()>& ready);

}  // namespace xpu
