#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "xpu-agent/datapath/switch.h"

namespace xpu {

// What flows do with a packet, without a switch: the part of ovs-fields(7) and ovs-actions(7) that the
// planner writes, and a failure for everything else.

enum class Field : uint8_t {
  kReg0,
  kReg1,
  kReg2,
  kReg3,
  kReg4,
  kMetadata,
  kInPort,
  kTunId,
  kTunSrc,
  kTunDst,
  // The id of the 802.1Q tag with kVlanPresent, or 0.
  kVlan,
  kEthSrc,
  kEthDst,
  kEthType,
  kIpProtocol,
  kIp4Src,
  kIp4Dst,
  kIp6Src,
  kIp6Dst,
  kTtl,
  // 0: the whole packet, 1: its first fragment, 3: a later one.
  kFragment,
  kArpOp,
  kArpSpa,
  kArpTpa,
  kArpSha,
  kArpTha,
  kIcmpType,
  kIcmpCode,
  kNdTarget,
  kNdSll,
  kNdTll,
  kNdReserved,
  kNdOptionsType,
  kTpSrc,
  kTpDst,
  kCount,
};

inline constexpr uint32_t kVlanPresent = 0x1000;

// A packet and what the pipeline remembers of it. A value.
class TestPacket {
 public:
  absl::uint128& operator[](Field field) { return values_[static_cast<size_t>(field)]; }
  const absl::uint128& operator[](Field field) const { return values_[static_cast<size_t>(field)]; }
  uint64_t Get(Field field) const { return absl::Uint128Low64((*this)[field]); }
  std::string ToString() const;

  // The frame's octets, without FCS.
  uint32_t bytes = 64;
  // Of one for the controller: its reg1.
  int opcode = 0;

 private:
  std::array<absl::uint128, static_cast<size_t>(Field::kCount)> values_{};
};

// Frames as honest pods send them.
absl::uint128 NumberOf(const MacAddress& mac);
TestPacket UdpPacket(uint32_t in_port, const MacAddress& from, const MacAddress& to, const IpAddress& src,
                     const IpAddress& dst, uint8_t ttl = 64);
TestPacket EchoRequestPacket(uint32_t in_port, const MacAddress& from, const MacAddress& to,
                             const IpAddress& src, const IpAddress& dst);
TestPacket ArpRequestPacket(uint32_t in_port, const MacAddress& from, const IpAddress& sender,
                            const IpAddress& target);
// To the group of the target, with the sender's link-layer address.
TestPacket SolicitationPacket(uint32_t in_port, const MacAddress& from, const IpAddress& src,
                              const IpAddress& target);

class FlowInterpreter {
 public:
  // InvalidArgument names a flow that it does not understand.
  static absl::StatusOr<FlowInterpreter> Make(const FlowTable& flows);

  // What leaves the switch: port and frame, in the order of the outputs. Internal if two flows of the same
  // priority that do different things match, so that it is not defined what the switch does, or a packet goes
  // in circles. A packet for the controller comes out of kController.
  using Outputs = std::vector<std::pair<uint32_t, TestPacket>>;
  static constexpr uint32_t kController = 0xfffffffd;
  absl::StatusOr<Outputs> Run(const TestPacket& packet) const;

 private:
  struct FieldMatch {
    Field field;
    absl::uint128 value;
    absl::uint128 mask;
  };
  struct Action {
    enum class Kind {
      kSet,
      kMove,
      kPush,
      kPop,
      kDecTtl,
      kCheckLarger,
      kPopVlan,
      kPushVlan,
      kOutput,
      kInPort,
      kController,
      kIgnored,
      kTable,
      // reg1 for `value`, table `table`, and then as if nothing had been.
      kAside,
    };
    Kind kind;
    Field field = Field::kCount;
    Field from = Field::kCount;
    absl::uint128 value = 0;
    uint8_t table = 0;
  };
  struct Flow {
    uint16_t priority;
    std::vector<FieldMatch> matches;
    std::vector<Action> actions;
    std::string text;
    std::string action_text;
  };
  struct Walk {
    TestPacket packet;
    std::vector<absl::uint128> stack;
    Outputs outputs;
    int lookups = 0;
  };

  static absl::StatusOr<std::vector<FieldMatch>> ParseMatch(absl::string_view text);
  static absl::StatusOr<std::vector<Action>> ParseActions(absl::string_view text);
  static absl::StatusOr<Action> ParseAction(absl::string_view text);
  absl::Status RunTable(uint8_t table, Walk* walk) const;
  absl::Status RunAction(const Action& action, Walk* walk) const;

  // By falling priority.
  std::map<uint8_t, std::vector<Flow>> tables_;
};

}  // namespace xpu
