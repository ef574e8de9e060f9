#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/function_id.h"
#include "common/base/mac_address.h"
#include "common/sys/devlink.h"
#include "host-agent/inventory/card.h"

namespace xpu {

// What there is of a physical function and of the functions that hang on it.
struct PfView {
  PciAddress pf;
  bool present = false;
  int vfs = 0;
  int total_vfs = 0;
  struct Vf {
    PciAddress address;
    int index = 0;
    // Empty for none.
    std::string driver;
  };
  std::vector<Vf> functions;
  // Numbers of the subfunctions that are there.
  std::set<uint32_t> active_sfs;
  // Subfunctions that there are ports of, and why they could not be read; only if the setup names any.
  std::vector<DevlinkSf> sfs;
  absl::Status sfs_error;
  // Of the functions that are there and in use: by whom, e.g. "pod default/web, container c1, interface
  // net1".
  std::map<FunctionId, std::string> holders;
};

// One change of what there is.
struct ProvisionStep {
  enum class Kind { kSetVfs, kBindDriver, kAddSf, kSetSfMac, kActivateSf, kRemoveSf };
  Kind kind = Kind::kSetVfs;
  // The physical function for kSetVfs.
  FunctionId function;
  // Of kSetVfs.
  int count = 0;
  // Of kBindDriver.
  std::string driver;
  // Of kSetSfMac.
  MacAddress mac;

  // "set 0000:03:00.0 to 8 virtual functions"
  std::string ToString() const;
  friend bool operator==(const ProvisionStep&, const ProvisionStep&) = default;
};

struct ProvisionPlan {
  // To be done in order, each only if those before it succeeded.
  std::vector<ProvisionStep> steps;
  // Functions that the steps change; none of them is in use.
  std::set<FunctionId> touched;
  // Why the physical function will not be as its setup has it, and what would have to be done; empty if it
  // will.
  std::string obstacle;
  // The same of single functions.
  std::map<FunctionId, std::string> refusals;

  std::string ToString() const;
};

// What has to be done so that a physical function is as `setup` has it. A function in use is never changed,
// nor the number of virtual functions while one of any kind is in use. Pure. As the bus tells only of
// functions that are there, it is to be called again after the steps, until there are none.
ProvisionPlan PlanPf(const PfSetup& setup, const PfView& view);

}  // namespace xpu
