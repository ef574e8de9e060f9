#pragma once

namespace xpu {

// How the kubelet comes to know of a pool. Lives on the loop's thread.
class PluginLink {
 public:
  virtual ~PluginLink() = default;
  // From now on the kubelet may know of the pool.
  virtual void Enable() = 0;
  // The kubelet has ended its last stream of the pool.
  virtual void OnUnwatched() = 0;
};

}  // namespace xpu
