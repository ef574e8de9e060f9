#include "xpu-agent/plan/port_meters.h"

#include <algorithm>
#include <utility>

namespace xpu::pipeline {
namespace {

constexpr int kUseShift = 16;
constexpr uint64_t kBitsOfKilobit = 1000;

uint32_t ToKilobits(uint64_t bits) {
  return static_cast<uint32_t>((bits + kBitsOfKilobit - 1) / kBitsOfKilobit);
}

void Add(MeterUse use, uint32_t ofport, const RateLimit& limit, MeterTable* meters) {
  if (limit.rate == 0) return;
  meters->emplace(MeterId(use, ofport), Meter{.unit = Meter::Unit::kKilobits,
                                              .rate = ToKilobits(limit.rate),
                                              .burst = ToKilobits(limit.BurstOrDefault())});
}

}  // namespace

uint32_t MeterId(MeterUse use, uint32_t ofport) {
  return kFirstMeter + (static_cast<uint32_t>(use) << kUseShift) + ofport;
}

MeterTable MetersOf(uint32_t ofport, const Bandwidth& bandwidth) {
  MeterTable meters{{MeterId(MeterUse::kToAgent, ofport),
                     {.unit = Meter::Unit::kPackets, .rate = kToAgentRate, .burst = kToAgentBurst}}};
  Add(MeterUse::kEgress, ofport, bandwidth.egress, &meters);
  Add(MeterUse::kIngress, ofport, bandwidth.ingress, &meters);
  return meters;
}

void PortMeters::Put(const std::string& owner, MeterTable meters) {
  const auto entry = owned_.find(owner);
  if (entry == owned_.end() ? meters.empty() : entry->second == meters) return;
  const auto note = [this](uint32_t id) {
    const auto there = meters_.find(id);
    before_.try_emplace(
        id, there == meters_.end() ? std::nullopt : std::optional<Meter>(there->second.begin()->second));
  };
  if (entry != owned_.end()) {
    for (const auto& [id, meter] : entry->second) {
      note(id);
      meters_[id].erase(owner);
      if (meters_[id].empty()) meters_.erase(id);
    }
    owned_.erase(entry);
  }
  if (meters.empty()) return;
  for (const auto& [id, meter] : meters) {
    note(id);
    meters_[id][owner] = meter;
  }
  owned_.emplace(owner, std::move(meters));
}

MeterChange PortMeters::TakeChanges() {
  MeterChange change;
  for (const auto& [id, meter] : before_) {
    const auto now = meters_.find(id);
    if (now == meters_.end()) {
      if (meter.has_value()) change.deletes.push_back(id);
    } else if (const Meter& wanted = now->second.begin()->second; meter != wanted) {
      change.puts.emplace(id, wanted);
    }
  }
  before_.clear();
  return change;
}

MeterChange PortMeters::Compare(const MeterTable& present) const {
  MeterChange change;
  for (const auto& [id, meter] : present) {
    if (!meters_.contains(id)) change.deletes.push_back(id);
  }
  for (const auto& [id, owners] : meters_) {
    const Meter& wanted = owners.begin()->second;
    const auto there = present.find(id);
    if (there == present.end() || !(there->second == wanted)) change.puts.emplace(id, wanted);
  }
  return change;
}

MeterTable PortMeters::Table() const {
  MeterTable table;
  for (const auto& [id, owners] : meters_) table.emplace(id, owners.begin()->second);
  return table;
}

std::string PortMeters::OwnerOf(uint32_t meter) const {
  const auto there = meters_.find(meter);
  return there == meters_.end() ? "" : there->second.begin()->first;
}

}  // namespace xpu::pipeline
