#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/model/model.h"

namespace xpu::pipeline {

// The meters of a port of the switch: of what it sends, of what it gets, and of what it has the flows hand to
// the agent. Their ids follow from the port's number, so that flows can name them.
enum class MeterUse : uint8_t { kEgress, kIngress, kToAgent };
uint32_t MeterId(MeterUse use, uint32_t ofport);

// Packets of one port that reach the agent, a second and at once; above what the agent answers
// (slowpath::Responder), and far below what all ports together may hand over.
inline constexpr uint32_t kToAgentRate = 100;
inline constexpr uint32_t kToAgentBurst = 100;

// Of a port that nothing limits: only what goes to the agent is.
MeterTable MetersOf(uint32_t ofport, const Bandwidth& bandwidth);

// What is to be done to the meters of a switch.
struct MeterChange {
  std::vector<uint32_t> deletes;
  MeterTable puts;
};

// The meters that a switch should have, by whom they are there for, and what has changed about them.
class PortMeters {
 public:
  // Instead of what the owner had. Owners have no meter in common but for a moment: one whose port's number
  // has become another's lets go of it within the same change.
  void Put(const std::string& owner, MeterTable meters);

  // From the last call of this or ForgetChanges() to now, without what came back to what it was.
  MeterChange TakeChanges();
  void ForgetChanges() { before_.clear(); }
  // What leads from `present` to these meters.
  MeterChange Compare(const MeterTable& present) const;
  // Each once.
  MeterTable Table() const;
  // Empty: nobody's.
  std::string OwnerOf(uint32_t meter) const;

 private:
  // By meter and owner. Of several the first counts.
  std::map<uint32_t, std::map<std::string, Meter>> meters_;
  std::map<std::string, MeterTable> owned_;
  // Before the change; nothing: there was none.
  std::map<uint32_t, std::optional<Meter>> before_;
};

}  // namespace xpu::pipeline
