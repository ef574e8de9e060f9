#include "xpu-agent/plan/flow_text.h"

#include <array>
#include <charconv>

#include "xpu-agent/datapath/packet_io.h"
#include "xpu-agent/plan/pipeline.h"

namespace xpu::pipeline {
namespace {

constexpr std::array<std::string_view, 9> kProtocolNames = {"",      "arp", "ip",   "ipv6", "icmp",
                                                            "icmp6", "udp", "udp6", "rarp"};

void AppendNumber(uint64_t value, int base, std::string* out) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
  if (base == 16) out->append("0x");
  out->append(digits, end);
}

// Writes "name=value" fields with commas between them.
class FieldWriter {
 public:
  explicit FieldWriter(std::string* out) : out_(out), start_(out->size()) {}

  void Word(std::string_view word) {
    if (out_->size() != start_) out_->push_back(',');
    out_->append(word);
  }
  template <typename T>
  void Hex(std::string_view name_and_equals, const std::optional<T>& value) {
    Number(name_and_equals, value, 16);
  }
  template <typename T>
  void Decimal(std::string_view name_and_equals, const std::optional<T>& value) {
    Number(name_and_equals, value, 10);
  }
  template <typename T>
  void Text(std::string_view name_and_equals, const T* value) {
    if (value == nullptr) return;
    Word(name_and_equals);
    out_->append(value->text);
  }

 private:
  template <typename T>
  void Number(std::string_view name_and_equals, const std::optional<T>& value, int base) {
    if (!value) return;
    Word(name_and_equals);
    AppendNumber(*value, base, out_);
  }

  std::string* out_;
  size_t start_;
};

bool IsV6(const IpText& address) { return address.text.find(':') != std::string::npos; }

}  // namespace

const MacText& NoMac() {
  static const MacText* const kText = new MacText(MacAddress());
  return *kText;
}

void AppendMatch(const Match& match, std::string* out) {
  FieldWriter fields(out);
  if (match.protocol != Protocol::kAny) fields.Word(kProtocolNames[static_cast<size_t>(match.protocol)]);
  fields.Hex("reg0=", match.reg0);
  fields.Hex("reg1=", match.reg1);
  fields.Hex("reg2=", match.reg2);
  fields.Hex("reg3=", match.reg3);
  fields.Hex("reg4=", match.reg4);
  fields.Hex("tun_id=", match.tun_id);
  if (match.tun_src != nullptr)
    fields.Text(IsV6(*match.tun_src) ? "tun_ipv6_src=" : "tun_src=", match.tun_src);
  fields.Hex("metadata=", match.metadata);
  fields.Decimal("in_port=", match.in_port);
  if (match.vlan) {
    // OpenFlow 1.2 and later match on "has no tag", whatever the priority bits.
    if (*match.vlan == 0) {
      fields.Word("vlan_tci=0x0000/0x1fff");
    } else {
      fields.Decimal("dl_vlan=", match.vlan);
    }
  }
  fields.Text("dl_src=", match.dl_src);
  fields.Text("dl_dst=", match.dl_dst);
  fields.Hex("dl_type=", match.dl_type);
  const bool v4 = match.protocol == Protocol::kIp || match.protocol == Protocol::kIcmp ||
                  match.protocol == Protocol::kUdp;
  fields.Text(v4 ? "nw_src=" : "ipv6_src=", match.ip_src);
  fields.Text(v4 ? "nw_dst=" : "ipv6_dst=", match.ip_dst);
  fields.Text("arp_spa=", match.arp_spa);
  fields.Text("arp_tpa=", match.arp_tpa);
  fields.Decimal("nw_proto=", match.nw_proto);
  fields.Decimal("arp_op=", match.arp_op);
  fields.Text("arp_sha=", match.arp_sha);
  fields.Decimal("nw_ttl=", match.nw_ttl);
  if (match.first_fragment) fields.Word("nw_frag=first");
  fields.Decimal("icmp_type=", match.icmp_type);
  fields.Decimal("icmp_code=", match.icmp_code);
  fields.Text("nd_target=", match.nd_target);
  fields.Text("nd_sll=", match.nd_sll);
  fields.Text("nd_tll=", match.nd_tll);
  fields.Decimal("tp_src=", match.tp_src);
  fields.Decimal("tp_dst=", match.tp_dst);
}

Actions& Actions::Next(std::string_view word) {
  if (!text_.empty()) text_.push_back(',');
  text_.append(word);
  return *this;
}

Actions& Actions::LoadReg0(uint32_t value) {
  Next("load:");
  AppendNumber(value, 16, &text_);
  text_.append("->NXM_NX_REG0[]");
  return *this;
}

Actions& Actions::LoadReg1(uint32_t value) {
  Next("load:");
  AppendNumber(value, 16, &text_);
  text_.append("->NXM_NX_REG1[]");
  return *this;
}

Actions& Actions::LoadReg2(uint32_t value) {
  Next("load:");
  AppendNumber(value, 16, &text_);
  text_.append("->NXM_NX_REG2[]");
  return *this;
}

Actions& Actions::LoadReg4(uint32_t value) {
  Next("load:");
  AppendNumber(value, 16, &text_);
  text_.append("->NXM_NX_REG4[]");
  return *this;
}

Actions& Actions::SetMetadata(uint32_t value) {
  Next("set_field:");
  AppendNumber(value, 16, &text_);
  text_.append("->metadata");
  return *this;
}

Actions& Actions::SetField(std::string_view field, std::string_view value) {
  Next("set_field:");
  text_.append(value).append("->").append(field);
  return *this;
}

Actions& Actions::Move(std::string_view from, std::string_view to) {
  Next("move:");
  text_.append(from).append("[]->").append(to).append("[]");
  return *this;
}

Actions& Actions::Push(std::string_view field) {
  Next("push:");
  text_.append(field).append("[]");
  return *this;
}

Actions& Actions::Pop(std::string_view field) {
  Next("pop:");
  text_.append(field).append("[]");
  return *this;
}

Actions& Actions::DecTtl() { return Next("dec_ttl"); }

Actions& Actions::CheckLarger(uint32_t bytes) {
  Next("check_pkt_larger(");
  AppendNumber(bytes, 10, &text_);
  text_.append(")->NXM_NX_REG3[0]");
  return *this;
}

Actions& Actions::PushVlan(uint16_t id) {
  Next("push_vlan:0x8100,set_field:");
  AppendNumber(0x1000u | id, 10, &text_);  // OFPVID_PRESENT
  text_.append("->vlan_vid");
  return *this;
}

Actions& Actions::PopVlan() { return Next("pop_vlan"); }

Actions& Actions::Output(uint32_t ofport) {
  Next("output:");
  AppendNumber(ofport, 10, &text_);
  return *this;
}

Actions& Actions::OutputToSender() { return Next("IN_PORT"); }

Actions& Actions::SetTunnel(uint32_t vni) {
  Next("set_field:");
  AppendNumber(vni, 16, &text_);
  text_.append("->tun_id");
  return *this;
}

Actions& Actions::SetTunnelEnd(const IpText& vtep) {
  return SetField(IsV6(vtep) ? "tun_ipv6_dst" : "tun_dst", vtep.text);
}

Actions& Actions::Resubmit(uint8_t table) {
  Next("resubmit(,");
  AppendNumber(table, 10, &text_);
  text_.push_back(')');
  return *this;
}

Actions& Actions::ToAgent(PacketOpcode opcode) {
  return LoadReg1(static_cast<uint32_t>(opcode)).Goto(Table::kToAgent);
}

Actions& Actions::Controller() {
  Next("controller(id=");
  AppendNumber(kPacketControllerId, 10, &text_);
  text_.push_back(')');
  return *this;
}

Actions& Actions::Meter(uint32_t id) {
  Next("meter:");
  AppendNumber(id, 10, &text_);
  return *this;
}

Actions& Actions::Aside(uint32_t reg1, uint8_t table) {
  Next("clone(load:");
  AppendNumber(reg1, 16, &text_);
  text_.append("->NXM_NX_REG1[],resubmit(,");
  AppendNumber(table, 10, &text_);
  // Open vSwitch makes a clone in the datapath only of what it could not undo itself, and does not look into
  // other tables for that, where the meter is. A frame that is cut is such a thing; this one goes nowhere, as
  // no port ever has the number 0.
  text_.append("),output(port=0,max_len=14))");
  return *this;
}

Actions& Actions::Goto(uint8_t table) {
  Next("goto_table:");
  AppendNumber(table, 10, &text_);
  return *this;
}

void FlowList::Add(uint8_t table, uint16_t priority, const Match& match, const Actions& actions) {
  Entry entry{.table = table, .priority = priority};
  AppendMatch(match, &text_);
  entry.match_end = static_cast<uint32_t>(text_.size());
  text_.append(actions.text());
  entry.actions_end = static_cast<uint32_t>(text_.size());
  entries_.push_back(entry);
}

void FlowList::ShrinkToFit() {
  text_.shrink_to_fit();
  entries_.shrink_to_fit();
}

FlowList::Flow FlowList::operator[](size_t i) const {
  const Entry& entry = entries_[i];
  const size_t start = i == 0 ? 0 : entries_[i - 1].actions_end;
  const std::string_view text = text_;
  return {entry.table, entry.priority, text.substr(start, entry.match_end - start),
          text.substr(entry.match_end, entry.actions_end - entry.match_end)};
}

}  // namespace xpu::pipeline
