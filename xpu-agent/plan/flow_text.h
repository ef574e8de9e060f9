#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "xpu-agent/plan/packet_opcode.h"

namespace xpu::pipeline {

// Words of the flow language (ovs-fields(7), ovs-actions(7)) as types, so that a flow can only be written the
// way Open vSwitch prints it back. Addresses occur in many flows and are turned into text once.

struct MacText {
  explicit MacText(const MacAddress& mac) : text(mac.ToString()) {}
  explicit MacText(std::string masked) : text(std::move(masked)) {}
  std::string text;
  friend bool operator==(const MacText&, const MacText&) = default;
};

struct IpText {
  // As text already, in the form in which Open vSwitch prints it.
  explicit IpText(std::string canonical) : text(std::move(canonical)) {}
  explicit IpText(const IpAddress& ip) : address(ip), text(ip.ToString()) {}
  // A prefix of one address is written without its length.
  explicit IpText(const IpPrefix& prefix)
      : address(prefix.address()),
        text(prefix.length() == prefix.address().bits() ? prefix.address().ToString() : prefix.ToString()) {}
  // Of a prefix the first one.
  IpAddress address;
  std::string text;
  friend bool operator==(const IpText&, const IpText&) = default;
};

// As a match for a link-layer address option that is not there: the switch sees zero.
const MacText& NoMac();

enum class Protocol : uint8_t { kAny, kArp, kIp, kIpv6, kIcmp, kIcmp6, kUdp, kUdp6, kRarp };

// What a flow matches; a field that is not set matches everything. The members stand in the order in which
// Open vSwitch prints the fields, which designated initialisers keep to.
struct Match {
  Protocol protocol = Protocol::kAny;
  std::optional<uint32_t> reg0;
  std::optional<uint32_t> reg1;
  std::optional<uint32_t> reg2;
  std::optional<uint32_t> reg3;
  std::optional<uint32_t> reg4;
  // Of a packet that came through a tunnel: its VNI, and the card that sent it.
  std::optional<uint32_t> tun_id;
  const IpText* tun_src = nullptr;
  std::optional<uint32_t> metadata;
  std::optional<uint32_t> in_port;
  // VLAN id; 0 is a frame without a tag.
  std::optional<uint16_t> vlan;
  const MacText* dl_src = nullptr;
  const MacText* dl_dst = nullptr;
  // Instead of a protocol.
  std::optional<uint16_t> dl_type;
  // nw_src or ipv6_src, as the protocol says.
  const IpText* ip_src = nullptr;
  // nw_dst or ipv6_dst.
  const IpText* ip_dst = nullptr;
  const IpText* arp_spa = nullptr;
  const IpText* arp_tpa = nullptr;
  // Instead of a protocol's name. 0 where the switch cannot find out: no packet is of protocol 0 behind its
  // headers.
  std::optional<uint8_t> nw_proto;
  std::optional<uint16_t> arp_op;
  const MacText* arp_sha = nullptr;
  std::optional<uint8_t> nw_ttl;
  // The first piece of a packet that is in pieces.
  bool first_fragment = false;
  std::optional<uint8_t> icmp_type;
  std::optional<uint8_t> icmp_code;
  const IpText* nd_target = nullptr;
  const MacText* nd_sll = nullptr;
  const MacText* nd_tll = nullptr;
  std::optional<uint16_t> tp_src;
  std::optional<uint16_t> tp_dst;
};

// Appends the text of `match`; nothing for one that matches everything.
void AppendMatch(const Match& match, std::string* out);

// What a flow does, in the order of the calls. Without any call it drops.
class Actions {
 public:
  Actions() { text_.reserve(64); }
  Actions& LoadReg0(uint32_t value);
  Actions& LoadReg1(uint32_t value);
  Actions& LoadReg2(uint32_t value);
  Actions& LoadReg4(uint32_t value);
  Actions& SetMetadata(uint32_t value);
  // `field` as in "eth_src"; `value` in the form that Open vSwitch prints for that field.
  Actions& SetField(std::string_view field, std::string_view value);
  // Names of NXM fields without brackets: "NXM_OF_ETH_SRC".
  Actions& Move(std::string_view from, std::string_view to);
  // A stack: two fields that are pushed and popped in the same order have changed places.
  Actions& Push(std::string_view field);
  Actions& Pop(std::string_view field);
  // Of IPv4's time to live or IPv6's hop limit, which must not be 0 or 1.
  Actions& DecTtl();
  // Sets reg3 to whether the frame has more than `bytes`, without preamble and FCS.
  Actions& CheckLarger(uint32_t bytes);
  Actions& PushVlan(uint16_t id);
  Actions& PopVlan();
  Actions& Output(uint32_t ofport);
  // Sends the packet back to where it came from, which Output() never does.
  Actions& OutputToSender();
  // For the tunnel port that the packet is put out to: the VNI, and the card that it goes to.
  Actions& SetTunnel(uint32_t vni);
  Actions& SetTunnelEnd(const IpText& vtep);
  Actions& Resubmit(uint8_t table);
  // To the stage that hands packets to the agent, which answers or not. Last of all.
  Actions& ToAgent(PacketOpcode opcode);
  // To the agent itself.
  Actions& Controller();
  // Drops what the meter does not let through. First of all.
  Actions& Meter(uint32_t id);
  // Does the same as if reg1 were this from here on, and what becomes of the packet there, also that a meter
  // drops it, is without effect on what follows.
  Actions& Aside(uint32_t reg1, uint8_t table);
  // Last of all.
  Actions& Goto(uint8_t table);

  std::string_view text() const { return text_.empty() ? std::string_view("drop") : text_; }

 private:
  Actions& Next(std::string_view word);
  std::string text_;
};

// Flows in the order in which they were added. All text lies in one buffer: a card's worth of flows costs a
// few allocations, and a walk over them stays in the cache.
class FlowList {
 public:
  struct Flow {
    uint8_t table;
    uint16_t priority;
    std::string_view match;
    std::string_view actions;
  };

  void Add(uint8_t table, uint16_t priority, const Match& match, const Actions& actions);
  size_t size() const { return entries_.size(); }
  // The views hold until the next change.
  Flow operator[](size_t i) const;
  // Gives back the memory that was kept for more.
  void ShrinkToFit();
  friend bool operator==(const FlowList&, const FlowList&) = default;

 private:
  struct Entry {
    uint8_t table;
    uint16_t priority;
    // Where match and actions end in text_; the match starts where the entry before ends.
    uint32_t match_end;
    uint32_t actions_end;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  std::string text_;
  std::vector<Entry> entries_;
};

}  // namespace xpu::pipeline
