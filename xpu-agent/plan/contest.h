#pragma once

#include <compare>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "xpu-agent/plan/membership.h"

namespace xpu::pipeline {

// Who is in a network, of those who want to be: of two that claim the same, the first in the order of ids.
// Knows who is affected by whose coming and going, so that a change costs what it touches.
class Contest {
 public:
  // Ports of this card come before those of others.
  struct Id {
    bool remote = false;
    std::string id;
    friend auto operator<=>(const Id&, const Id&) = default;
  };

  // Nobody gets these; instead of those that were given before.
  void Reserve(std::vector<Claim> claims);
  void Put(const Id& id, std::vector<Claim> claims);
  void Remove(const Id& id);
  bool empty() const { return contenders_.empty(); }

  // Only valid after Settle().
  bool IsIn(const Id& id) const;
  // Decides about all changes since the last call: those who came in or went out.
  std::set<Id> Settle();

 private:
  struct Contender {
    std::vector<Claim> claims;
    bool in = false;
  };
  // Those who want any of it, but for what comes up to `after`, are to be decided about again.
  void Doubt(const std::vector<Claim>& claims, const Id* after);
  bool Decide(const Id& id, const Contender& contender) const;

  std::map<Id, Contender> contenders_;
  absl::flat_hash_map<Claim, std::set<Id>> wanted_;
  std::vector<Claim> reserved_;
  std::set<Id> doubtful_;
  // Whether they were in at the last Settle(), of those that have changed since.
  std::map<Id, bool> before_;
};

}  // namespace xpu::pipeline
