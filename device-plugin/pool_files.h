#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "device-plugin/plugin_function.h"

namespace xpu {

// The fully qualified name of a function as the container device interface has it:
// "xpu.opiproject.org/function=0000:03:00.2".
std::string CdiDeviceName(absl::string_view function);

// A CDI specification (version 0.5.0) with the device nodes of those members that have any; empty if none
// has. A pure function.
std::string CdiSpec(const PoolMembers& members);

// What the device information specification (1.1.0, of the network plumbing working group) has for a
// function; empty for one that it has no type for, which subfunctions are. A pure function.
std::string DeviceInfo(const PoolMember& member);

// Keeps the files in a folder that `owns` says are its own: what is there from before and not wanted any more
// goes. Written at once and whole, but not forced to the disk: all this lives below /run.
class FolderMirror {
 public:
  FolderMirror(std::string folder, std::function<bool(const std::string& name)> owns)
      : folder_(std::move(folder)), owns_(std::move(owns)) {}

  // Name → contents. Makes the folder if there is anything to write; does all that it can and returns the
  // first error.
  absl::Status Sync(const std::map<std::string, std::string>& files);

 private:
  absl::Status Write(const std::string& name, const std::string& contents) const;

  const std::string folder_;
  const std::function<bool(const std::string&)> owns_;
  bool looked_ = false;
  // What is there, as far as is known; contents that are not known are empty.
  std::map<std::string, std::string> files_;
};

// What a pool tells of its functions through files: CDI specifications for the container runtime, and device
// information for Multus. Safe from any thread.
class PoolFiles {
 public:
  struct Options {
    // Extended resource.
    std::string resource;
    // One specification for the pool; what an earlier process left goes also if `use_cdi` is not set. Empty:
    // none.
    std::string cdi_dir;
    bool use_cdi = false;
    // One file for each function. Empty: none.
    std::string device_info_dir;
  };
  explicit PoolFiles(Options options);

  // To be called before anybody hears of the members. Errors are logged; one of CDI is told by cdi_status()
  // until the next update.
  void Update(const PoolMembers& members);
  // Whether the specification of the last update is in place.
  absl::Status cdi_status() const;
  // At the end: device information goes, as its specification asks for; the CDI specification goes unless
  // containers hold functions, which could not be restarted without it.
  void Remove(bool functions_in_use);

 private:
  const Options options_;
  mutable absl::Mutex mutex_;
  FolderMirror cdi_ ABSL_GUARDED_BY(mutex_);
  FolderMirror device_info_ ABSL_GUARDED_BY(mutex_);
  absl::Status cdi_status_ ABSL_GUARDED_BY(mutex_);
  bool device_info_failed_ ABSL_GUARDED_BY(mutex_) = false;
};

// Removes the CDI specifications of resources that are not `resources` and that no plugin serves any more,
// i.e. whose socket in `plugin_dir` takes no connection. A folder that is not there is as good as an empty
// one.
void RemoveAbandonedCdiSpecs(const std::string& cdi_dir, const std::string& plugin_dir,
                             const std::vector<std::string>& resources);

}  // namespace xpu
