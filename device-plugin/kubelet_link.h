#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "common/base/folder_watch.h"
#include "common/base/unique_fd.h"
#include "common/loop_rpc/loop_rpc_client.h"
#include "device-plugin/plugin_link.h"

namespace xpu {

// Keeps the kubelet knowing of the plugin. Lives on the loop's thread.
//
// A kubelet that starts removes every socket in its plugin folder and then makes kubelet.sock anew: the first
// is the plugin's sign to serve on a new socket, the second to register. Both are seen by inotify at once. A
// registration that fails is tried again with growing delays; while there is no kubelet.sock nothing is
// tried.
//
// The kubelet is registered with once for each of its lives, not again for good measure: older kubelets, when
// the stream of an earlier registration ends, drop the newest one of that resource.
class KubeletLink : public PluginLink {
 public:
  struct Options {
    // The kubelet's plugin folder.
    std::string folder;
    // File names in it.
    std::string plugin_socket;
    std::string kubelet_socket = "kubelet.sock";
    std::string resource;
    // Registering includes that the kubelet connects to the plugin, for which it takes up to 10 s.
    absl::Duration register_timeout = absl::Seconds(20);
    // Between registrations that fail.
    Backoff::Options backoff;
    // Between connections that are refused: a kubelet's socket can be seen before it listens on it.
    Backoff::Options connect_backoff = {.initial = absl::Milliseconds(1)};
  };
  // Stops serving, then serves on the plugin's socket (made anew).
  using Serve = std::function<absl::Status()>;
  // Called once, when the plugin cannot go on.
  using Fail = std::function<void(const absl::Status& status)>;

  // Serves. NotFound if there is no such folder, and whatever `serve` returns.
  static absl::StatusOr<std::unique_ptr<KubeletLink>> Start(EventLoop& loop, const Options& options,
                                                            Serve serve, Fail fail);

  void Enable() override;
  // If the kubelet is still there it has forgotten the plugin.
  void OnUnwatched() override;

 private:
  // A file, to be told from another of the same name.
  struct Identity {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t changed_ns = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };

  KubeletLink(EventLoop& loop, const Options& options, Serve serve, Fail fail);
  std::string Path(const std::string& name) const { return options_.folder + "/" + name; }
  static std::optional<Identity> Look(const std::string& path);
  struct Connection {
    UniqueFd fd;
    Identity kubelet;
  };
  // Connects to the kubelet that serves now. Unavailable if it does not take the connection.
  absl::StatusOr<Connection> Connect() const;
  absl::Status ServeAnew();
  void OnChange(FolderWatch::Change change, const std::string& name);
  // Serves anew if the plugin's socket was removed. An error is final.
  absl::Status EnsureServed();
  absl::Status FolderGone() const;
  // Registers if that is due and not under way.
  void Register();
  void OnRegistered(const absl::Status& status);
  void RetryAfter(absl::Duration delay);

  EventLoop& loop_;
  const Options options_;
  const Serve serve_;
  const Fail fail_;
  Backoff backoff_;
  Backoff connect_backoff_;
  std::unique_ptr<FolderWatch> folder_watch_;
  std::optional<Identity> served_;
  bool enabled_ = false;
  // The kubelet.sock that the plugin is registered at, or is being.
  std::optional<Identity> kubelet_;
  // Something happened while a registration was under way that calls for another.
  bool again_ = false;
  // On the connection of one Register call.
  std::unique_ptr<LoopRpcClient> registration_;
  EventLoop::Handle retry_timer_;
};

}  // namespace xpu
