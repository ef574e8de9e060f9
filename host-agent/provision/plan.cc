#include "host-agent/provision/plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace xpu {
namespace {

using Kind = ProvisionStep::Kind;

// Holders that a message names; the rest are counted.
constexpr size_t kMaxNamed = 8;

std::string NameHolders(const std::map<FunctionId, std::string>& holders) {
  std::vector<std::string> named;
  for (const auto& [function, holder] : holders) {
    if (named.size() == kMaxNamed) {
      named.push_back(absl::StrCat(holders.size() - kMaxNamed, " more"));
      break;
    }
    named.push_back(absl::StrCat(function.ToString(), " by ", holder));
  }
  return absl::StrJoin(named, "; ");
}

class Planner {
 public:
  Planner(const PfSetup& setup, const PfView& view) : setup_(setup), view_(view) {}

  ProvisionPlan Plan() {
    if (!view_.present) {
      Obstacle("it is not on the PCI bus; it is set up when it appears");
    } else {
      PlanNumber();
      PlanDrivers();
      PlanSubfunctions();
    }
    plan_.obstacle = absl::StrJoin(obstacles_, "; ");
    return std::move(plan_);
  }

 private:
  void Obstacle(std::string text) { obstacles_.push_back(std::move(text)); }
  void Step(ProvisionStep step) { plan_.steps.push_back(std::move(step)); }

  void PlanNumber() {
    if (!setup_.vfs || *setup_.vfs == view_.vfs) return;
    if (*setup_.vfs > view_.total_vfs) {
      return Obstacle(
          absl::StrCat("it is to have ", *setup_.vfs, " virtual functions but can have ", view_.total_vfs,
                       "; lower the number in the configuration, or raise it in the card's firmware"));
    }
    if (!view_.holders.empty()) {
      return Obstacle(absl::StrCat("it has ", view_.vfs, " virtual functions and is to have ", *setup_.vfs,
                                   ", which is not changed while a function is in use: ",
                                   NameHolders(view_.holders), "; it is done once they are free"));
    }
    for (const PfView::Vf& vf : view_.functions) plan_.touched.insert(vf.address);
    // As the kernel wants it: from some to none, from none to some.
    if (view_.vfs > 0) Step({.kind = Kind::kSetVfs, .function = view_.pf, .count = 0});
    if (*setup_.vfs > 0) Step({.kind = Kind::kSetVfs, .function = view_.pf, .count = *setup_.vfs});
    renumbered_ = true;
  }

  void PlanDrivers() {
    // Those that are there now are about to go.
    if (renumbered_) return;
    std::map<FunctionId, std::string> held;
    for (const PfView::Vf& vf : view_.functions) {
      const auto wanted = setup_.drivers.find(vf.index);
      if (wanted == setup_.drivers.end() || wanted->second == vf.driver) continue;
      if (const auto holder = view_.holders.find(vf.address); holder != view_.holders.end()) {
        held.insert(*holder);
        plan_.refusals[vf.address] = absl::StrCat(
            "it is to have driver ", wanted->second, " and has ", vf.driver.empty() ? "none" : vf.driver,
            ", which is not changed while it is in use by ", holder->second);
        continue;
      }
      plan_.touched.insert(vf.address);
      Step({.kind = Kind::kBindDriver, .function = vf.address, .driver = wanted->second});
    }
    if (held.empty()) return;
    Obstacle(absl::StrCat("functions in use keep the driver they have: ", NameHolders(held),
                          "; it is changed once they are free"));
  }

  void PlanSubfunctions() {
    if (!setup_.sfs) return;
    if (!view_.sfs_error.ok()) {
      // Where there can be none there are none.
      if (absl::IsUnimplemented(view_.sfs_error) && setup_.sfs->empty()) return;
      return Obstacle(absl::StrCat("its subfunctions cannot be read: ", view_.sfs_error.message()));
    }
    std::map<uint32_t, const DevlinkSf*> there;
    for (const DevlinkSf& sf : view_.sfs) there[sf.number] = &sf;
    std::map<FunctionId, std::string> held;
    for (const auto& [number, sf] : there) {
      const auto is_it = [number = number](const SubfunctionSetup& each) { return each.number == number; };
      if (std::any_of(setup_.sfs->begin(), setup_.sfs->end(), is_it)) continue;
      const FunctionId function(view_.pf, number);
      if (const auto holder = view_.holders.find(function); holder != view_.holders.end()) {
        held.insert(*holder);
        plan_.refusals[function] = absl::StrCat(
            "the configuration has it no more, but it is not removed while it is in use by ", holder->second);
        continue;
      }
      plan_.touched.insert(function);
      Step({.kind = Kind::kRemoveSf, .function = function});
    }
    if (!held.empty()) {
      Obstacle(absl::StrCat("subfunctions that are to go are in use: ", NameHolders(held),
                            "; they are removed once they are free"));
    }
    for (const SubfunctionSetup& wanted : *setup_.sfs) {
      const auto it = there.find(wanted.number);
      PlanSubfunction(wanted, it == there.end() ? nullptr : it->second);
    }
  }

  void PlanSubfunction(const SubfunctionSetup& wanted, const DevlinkSf* sf) {
    const FunctionId function(view_.pf, wanted.number);
    // Whose it is may have given it another address.
    if (view_.holders.contains(function)) return;
    const bool other_mac = wanted.mac && (sf == nullptr || sf->mac != *wanted.mac);
    if (sf != nullptr && sf->active && !other_mac) return;
    plan_.touched.insert(function);
    // The address is taken when it becomes active, and it does so once.
    const bool anew = sf != nullptr && sf->active;
    if (anew) Step({.kind = Kind::kRemoveSf, .function = function});
    if (anew || sf == nullptr) Step({.kind = Kind::kAddSf, .function = function});
    if (other_mac) Step({.kind = Kind::kSetSfMac, .function = function, .mac = *wanted.mac});
    Step({.kind = Kind::kActivateSf, .function = function});
  }

  const PfSetup& setup_;
  const PfView& view_;
  ProvisionPlan plan_;
  std::vector<std::string> obstacles_;
  bool renumbered_ = false;
};

}  // namespace

std::string ProvisionStep::ToString() const {
  const std::string id = function.ToString();
  switch (kind) {
    case Kind::kSetVfs:
      return absl::StrCat("set ", id, " to ", count, " virtual functions");
    case Kind::kBindDriver:
      return absl::StrCat("bind ", id, " to ", driver);
    case Kind::kAddSf:
      return absl::StrCat("add ", id);
    case Kind::kSetSfMac:
      return absl::StrCat("give ", id, " the address ", mac.ToString());
    case Kind::kActivateSf:
      return absl::StrCat("activate ", id);
    case Kind::kRemoveSf:
      return absl::StrCat("remove ", id);
  }
  return "";
}

std::string ProvisionPlan::ToString() const {
  std::string out;
  for (const ProvisionStep& step : steps) absl::StrAppend(&out, step.ToString(), "\n");
  if (!obstacle.empty()) absl::StrAppend(&out, "obstacle: ", obstacle, "\n");
  for (const auto& [function, why] : refusals) {
    absl::StrAppend(&out, "refused for ", function.ToString(), ": ", why, "\n");
  }
  return out;
}

ProvisionPlan PlanPf(const PfSetup& setup, const PfView& view) { return Planner(setup, view).Plan(); }

}  // namespace xpu
