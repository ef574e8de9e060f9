#include "xpu-agent/plan/contest.h"

#include <algorithm>
#include <utility>

namespace xpu::pipeline {

void Contest::Doubt(const std::vector<Claim>& claims, const Id* after) {
  for (const Claim& claim : claims) {
    const auto wanting = wanted_.find(claim);
    if (wanting == wanted_.end()) continue;
    const auto from = after == nullptr ? wanting->second.begin() : wanting->second.upper_bound(*after);
    doubtful_.insert(from, wanting->second.end());
  }
}

void Contest::Reserve(std::vector<Claim> claims) {
  std::sort(claims.begin(), claims.end());
  if (claims == reserved_) return;
  Doubt(reserved_, nullptr);
  reserved_ = std::move(claims);
  Doubt(reserved_, nullptr);
}

void Contest::Put(const Id& id, std::vector<Claim> claims) {
  const auto present = contenders_.find(id);
  if (present != contenders_.end() && present->second.claims == claims) return;
  Remove(id);
  before_.try_emplace(id, false);
  for (const Claim& claim : claims) wanted_[claim].insert(id);
  contenders_[id].claims = std::move(claims);
  doubtful_.insert(id);
}

void Contest::Remove(const Id& id) {
  const auto present = contenders_.find(id);
  if (present == contenders_.end()) return;
  before_.try_emplace(id, present->second.in);
  if (present->second.in) Doubt(present->second.claims, &id);
  for (const Claim& claim : present->second.claims) {
    const auto wanting = wanted_.find(claim);
    wanting->second.erase(id);
    if (wanting->second.empty()) wanted_.erase(wanting);
  }
  contenders_.erase(present);
}

bool Contest::IsIn(const Id& id) const {
  const auto present = contenders_.find(id);
  return present != contenders_.end() && present->second.in;
}

bool Contest::Decide(const Id& id, const Contender& contender) const {
  for (const Claim& claim : contender.claims) {
    if (std::binary_search(reserved_.begin(), reserved_.end(), claim)) return false;
    for (const Id& other : wanted_.at(claim)) {
      if (!(other < id)) break;
      if (contenders_.at(other).in) return false;
    }
  }
  return true;
}

std::set<Contest::Id> Contest::Settle() {
  // Who is decided about affects only who comes later, so that each decision stands.
  while (!doubtful_.empty()) {
    const Id id = std::move(doubtful_.extract(doubtful_.begin()).value());
    const auto present = contenders_.find(id);
    if (present == contenders_.end()) continue;
    const bool in = Decide(id, present->second);
    if (in == present->second.in) continue;
    before_.try_emplace(id, present->second.in);
    present->second.in = in;
    Doubt(present->second.claims, &id);
  }
  std::set<Id> changed;
  for (const auto& [id, was_in] : before_) {
    if (IsIn(id) != was_in) changed.insert(id);
  }
  before_.clear();
  return changed;
}

}  // namespace xpu::pipeline
