#include "xpu-agent/plan/flow_interpreter_testing.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

constexpr uint16_t kTypeIp = 0x0800;
constexpr uint16_t kTypeArp = 0x0806;
constexpr uint16_t kTypeRarp = 0x8035;
constexpr uint16_t kTypeIpv6 = 0x86dd;
constexpr uint8_t kIcmp = 1;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kIcmp6 = 58;
constexpr int kMaxLookups = 4096;

const std::map<absl::string_view, Field>& FieldNames() {
  static const auto* const kNames = new std::map<absl::string_view, Field>{
      {"reg0", Field::kReg0},
      {"reg1", Field::kReg1},
      {"reg2", Field::kReg2},
      {"reg3", Field::kReg3},
      {"reg4", Field::kReg4},
      {"metadata", Field::kMetadata},
      {"in_port", Field::kInPort},
      {"tun_id", Field::kTunId},
      {"tun_src", Field::kTunSrc},
      {"tun_dst", Field::kTunDst},
      {"dl_type", Field::kEthType},
      {"dl_src", Field::kEthSrc},
      {"dl_dst", Field::kEthDst},
      {"eth_src", Field::kEthSrc},
      {"eth_dst", Field::kEthDst},
      {"nw_src", Field::kIp4Src},
      {"nw_dst", Field::kIp4Dst},
      {"ip_src", Field::kIp4Src},
      {"ip_dst", Field::kIp4Dst},
      {"ipv6_src", Field::kIp6Src},
      {"ipv6_dst", Field::kIp6Dst},
      {"nw_ttl", Field::kTtl},
      {"nw_proto", Field::kIpProtocol},
      {"nw_frag", Field::kFragment},
      {"arp_op", Field::kArpOp},
      {"arp_spa", Field::kArpSpa},
      {"arp_tpa", Field::kArpTpa},
      {"arp_sha", Field::kArpSha},
      {"arp_tha", Field::kArpTha},
      {"icmp_type", Field::kIcmpType},
      {"icmpv6_type", Field::kIcmpType},
      {"icmp_code", Field::kIcmpCode},
      {"nd_target", Field::kNdTarget},
      {"nd_sll", Field::kNdSll},
      {"nd_tll", Field::kNdTll},
      {"nd_reserved", Field::kNdReserved},
      {"nd_options_type", Field::kNdOptionsType},
      {"tp_src", Field::kTpSrc},
      {"tp_dst", Field::kTpDst},
      {"NXM_NX_REG0", Field::kReg0},
      {"NXM_NX_REG1", Field::kReg1},
      {"NXM_NX_REG2", Field::kReg2},
      {"NXM_NX_REG3", Field::kReg3},
      {"NXM_NX_REG4", Field::kReg4},
      {"NXM_OF_ETH_SRC", Field::kEthSrc},
      {"NXM_OF_ETH_DST", Field::kEthDst},
      {"NXM_OF_IP_SRC", Field::kIp4Src},
      {"NXM_OF_IP_DST", Field::kIp4Dst},
      {"NXM_NX_IPV6_SRC", Field::kIp6Src},
      {"NXM_NX_IPV6_DST", Field::kIp6Dst},
      {"NXM_OF_ARP_SPA", Field::kArpSpa},
      {"NXM_OF_ARP_TPA", Field::kArpTpa},
      {"NXM_NX_ARP_SHA", Field::kArpSha},
      {"NXM_NX_ARP_THA", Field::kArpTha},
      {"NXM_NX_ND_TLL", Field::kNdTll},
  };
  return *kNames;
}

std::optional<Field> FieldNamed(absl::string_view name) {
  const auto it = FieldNames().find(name);
  if (it == FieldNames().end()) return std::nullopt;
  return it->second;
}

// What a protocol's name stands for.
struct ProtocolWord {
  uint16_t eth_type;
  uint8_t protocol;
};
std::optional<ProtocolWord> ProtocolNamed(absl::string_view word) {
  if (word == "arp") return ProtocolWord{kTypeArp, 0};
  if (word == "rarp") return ProtocolWord{kTypeRarp, 0};
  if (word == "ip") return ProtocolWord{kTypeIp, 0};
  if (word == "ipv6") return ProtocolWord{kTypeIpv6, 0};
  if (word == "icmp") return ProtocolWord{kTypeIp, kIcmp};
  if (word == "icmp6") return ProtocolWord{kTypeIpv6, kIcmp6};
  if (word == "udp") return ProtocolWord{kTypeIp, kUdp};
  if (word == "udp6") return ProtocolWord{kTypeIpv6, kUdp};
  return std::nullopt;
}

// A number, a MAC, an IP address or a word for a fragment.
std::optional<absl::uint128> ParseValue(absl::string_view text) {
  if (text == "no") return 0;
  if (text == "first") return 1;
  if (text == "later") return 3;
  uint64_t number = 0;
  if (absl::ConsumePrefix(&text, "0x")) {
    if (!absl::SimpleHexAtoi(text, &number)) return std::nullopt;
    return number;
  }
  if (absl::SimpleAtoi(text, &number)) return number;
  if (const auto mac = MacAddress::Parse(text); mac.ok()) return NumberOf(*mac);
  if (const auto ip = IpAddress::Parse(text); ip.ok()) return ip->value();
  return std::nullopt;
}

int BitsOf(Field field) {
  switch (field) {
    case Field::kIp4Src:
    case Field::kIp4Dst:
    case Field::kArpSpa:
    case Field::kArpTpa:
      return 32;
    default:
      return 128;
  }
}

// "10.0.0.0/24" or "01:…/01:…"; all ones without a mask.
std::optional<absl::uint128> ParseMask(Field field, absl::string_view text) {
  if (text.empty()) return ~absl::uint128{0};
  int length = 0;
  if (!absl::SimpleAtoi(text, &length)) return ParseValue(text);
  if (length == 0) return 0;
  return ~absl::uint128{0} << (BitsOf(field) - length);
}

absl::Status Unknown(absl::string_view what, absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("the interpreter does not know the ", what, " '", text, "'"));
}

// Commas outside of brackets.
std::vector<absl::string_view> SplitActions(absl::string_view text) {
  std::vector<absl::string_view> words;
  size_t start = 0;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')') --depth;
    if (text[i] != ',' || depth > 0) continue;
    words.push_back(text.substr(start, i - start));
    start = i + 1;
  }
  words.push_back(text.substr(start));
  return words;
}

TestPacket Frame(uint32_t in_port, const MacAddress& from, absl::uint128 to, uint16_t type) {
  TestPacket packet;
  packet[Field::kInPort] = in_port;
  packet[Field::kEthSrc] = NumberOf(from);
  packet[Field::kEthDst] = to;
  packet[Field::kEthType] = type;
  return packet;
}

TestPacket IpPacket(uint32_t in_port, const MacAddress& from, absl::uint128 to, const IpAddress& src,
                    const IpAddress& dst, uint8_t protocol, uint8_t ttl) {
  TestPacket packet = Frame(in_port, from, to, src.is_v4() ? kTypeIp : kTypeIpv6);
  packet[src.is_v4() ? Field::kIp4Src : Field::kIp6Src] = src.value();
  packet[src.is_v4() ? Field::kIp4Dst : Field::kIp6Dst] = dst.value();
  packet[Field::kIpProtocol] = protocol;
  packet[Field::kTtl] = ttl;
  return packet;
}

}  // namespace

absl::uint128 NumberOf(const MacAddress& mac) {
  uint64_t number = 0;
  for (const uint8_t octet : mac.octets()) number = number << 8 | octet;
  return number;
}

TestPacket UdpPacket(uint32_t in_port, const MacAddress& from, const MacAddress& to, const IpAddress& src,
                     const IpAddress& dst, uint8_t ttl) {
  TestPacket packet = IpPacket(in_port, from, NumberOf(to), src, dst, kUdp, ttl);
  packet[Field::kTpSrc] = 4000;
  packet[Field::kTpDst] = 4001;
  return packet;
}

TestPacket EchoRequestPacket(uint32_t in_port, const MacAddress& from, const MacAddress& to,
                             const IpAddress& src, const IpAddress& dst) {
  TestPacket packet = IpPacket(in_port, from, NumberOf(to), src, dst, src.is_v4() ? kIcmp : kIcmp6, 64);
  packet[Field::kIcmpType] = src.is_v4() ? 8 : 128;
  return packet;
}

TestPacket ArpRequestPacket(uint32_t in_port, const MacAddress& from, const IpAddress& sender,
                            const IpAddress& target) {
  TestPacket packet = Frame(in_port, from, 0xffff'ffff'ffff, kTypeArp);
  packet[Field::kArpOp] = 1;
  packet[Field::kArpSha] = NumberOf(from);
  packet[Field::kArpSpa] = sender.value();
  packet[Field::kArpTpa] = target.value();
  return packet;
}

TestPacket SolicitationPacket(uint32_t in_port, const MacAddress& from, const IpAddress& src,
                              const IpAddress& target) {
  const absl::uint128 low = target.value() & 0xffffff;
  const IpAddress group(IpFamily::kV6, absl::MakeUint128(0xff02'0000'0000'0000, 0x0000'0001'ff00'0000) | low);
  TestPacket packet = IpPacket(in_port, from, 0x3333'ff00'0000 | low, src, group, kIcmp6, 255);
  packet[Field::kIcmpType] = 135;
  packet[Field::kNdTarget] = target.value();
  packet[Field::kNdSll] = NumberOf(from);
  return packet;
}

std::string TestPacket::ToString() const {
  std::string text = absl::StrCat("in_port=", Get(Field::kInPort));
  // Each field under one of its names.
  std::array<bool, static_cast<size_t>(Field::kCount)> said{};
  for (const auto& [name, field] : FieldNames()) {
    bool& done = said[static_cast<size_t>(field)];
    const absl::uint128 value = (*this)[field];
    if (done || value == 0 || field == Field::kInPort) continue;
    done = true;
    absl::StrAppend(&text, " ", name, "=0x");
    if (const uint64_t high = absl::Uint128High64(value); high != 0)
      absl::StrAppend(&text, absl::Hex(high), "_");
    absl::StrAppend(&text, absl::Hex(absl::Uint128Low64(value)));
  }
  return text;
}

absl::StatusOr<FlowInterpreter> FlowInterpreter::Make(const FlowTable& flows) {
  FlowInterpreter interpreter;
  for (const auto& [key, actions] : flows) {
    Flow flow{.priority = key.priority,
              .text = absl::StrCat("table=", key.table, ",priority=", key.priority, ",", key.match),
              .action_text = actions};
    XPU_ASSIGN_OR_RETURN(flow.matches, ParseMatch(key.match));
    XPU_ASSIGN_OR_RETURN(flow.actions, ParseActions(actions));
    interpreter.tables_[key.table].push_back(std::move(flow));
  }
  for (auto& [table, list] : interpreter.tables_) {
    std::stable_sort(list.begin(), list.end(),
                     [](const Flow& a, const Flow& b) { return a.priority > b.priority; });
  }
  return interpreter;
}

absl::StatusOr<std::vector<FlowInterpreter::FieldMatch>> FlowInterpreter::ParseMatch(absl::string_view text) {
  std::vector<FieldMatch> matches;
  constexpr absl::uint128 kAll = ~absl::uint128{0};
  for (const absl::string_view word : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    if (const auto protocol = ProtocolNamed(word)) {
      matches.push_back({Field::kEthType, protocol->eth_type, kAll});
      if (protocol->protocol != 0) matches.push_back({Field::kIpProtocol, protocol->protocol, kAll});
      continue;
    }
    if (word == "vlan_tci=0x0000/0x1fff") {
      matches.push_back({Field::kVlan, 0, kAll});
      continue;
    }
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(word, absl::MaxSplits('=', 1));
    const std::pair<absl::string_view, absl::string_view> value =
        absl::StrSplit(parts.second, absl::MaxSplits('/', 1));
    const std::optional<absl::uint128> number = ParseValue(value.first);
    if (parts.first == "dl_vlan" && number) {
      matches.push_back({Field::kVlan, *number | kVlanPresent, kAll});
      continue;
    }
    const std::optional<Field> field = FieldNamed(parts.first);
    if (!field || !number) return Unknown("match", word);
    const std::optional<absl::uint128> mask = ParseMask(*field, value.second);
    if (!mask) return Unknown("mask", word);
    matches.push_back({*field, *number & *mask, *mask});
  }
  return matches;
}

absl::StatusOr<std::vector<FlowInterpreter::Action>> FlowInterpreter::ParseActions(absl::string_view text) {
  std::vector<Action> actions;
  if (text == "drop") return actions;
  for (const absl::string_view word : SplitActions(text)) {
    XPU_ASSIGN_OR_RETURN(const Action action, ParseAction(word));
    actions.push_back(action);
  }
  return actions;
}

absl::StatusOr<FlowInterpreter::Action> FlowInterpreter::ParseAction(absl::string_view text) {
  using Kind = Action::Kind;
  absl::string_view rest = text;
  const auto field_of = [](absl::string_view name) {
    absl::ConsumeSuffix(&name, "[]");
    return FieldNamed(name);
  };
  if (text == "dec_ttl") return Action{.kind = Kind::kDecTtl};
  if (text == "pop_vlan") return Action{.kind = Kind::kPopVlan};
  if (text == "push_vlan:0x8100") return Action{.kind = Kind::kPushVlan};
  if (text == "IN_PORT") return Action{.kind = Kind::kInPort};
  if (absl::StartsWith(text, "controller(")) return Action{.kind = Kind::kController};
  if (absl::ConsumePrefix(&rest, "clone(load:") &&
      absl::ConsumeSuffix(&rest, "),output(port=0,max_len=14))")) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(rest, "->NXM_NX_REG1[],resubmit(,");
    const auto value = ParseValue(parts.first);
    uint32_t table = 0;
    if (!value || !absl::SimpleAtoi(parts.second, &table)) return Unknown("action", text);
    return Action{.kind = Kind::kAside, .value = *value, .table = static_cast<uint8_t>(table)};
  }
  rest = text;
  if (absl::StartsWith(text, "meter:")) return Action{.kind = Kind::kIgnored};
  if (absl::ConsumePrefix(&rest, "load:") || absl::ConsumePrefix(&rest, "set_field:")) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(rest, "->");
    const auto value = ParseValue(parts.first);
    if (!value) return Unknown("value", text);
    if (parts.second == "vlan_vid") return Action{.kind = Kind::kSet, .field = Field::kVlan, .value = *value};
    const auto field = field_of(parts.second);
    if (!field) return Unknown("field", text);
    return Action{.kind = Kind::kSet, .field = *field, .value = *value};
  }
  if (absl::ConsumePrefix(&rest, "move:")) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(rest, "->");
    const auto from = field_of(parts.first);
    const auto to = field_of(parts.second);
    if (!from || !to) return Unknown("field", text);
    return Action{.kind = Kind::kMove, .field = *to, .from = *from};
  }
  for (const auto& [word, kind] : {std::pair("push:", Kind::kPush), std::pair("pop:", Kind::kPop)}) {
    if (!absl::ConsumePrefix(&rest, word)) continue;
    const auto field = field_of(rest);
    if (!field) return Unknown("field", text);
    return Action{.kind = kind, .field = *field};
  }
  const std::pair<absl::string_view, absl::string_view> number_words[] = {
      {"output:", ""}, {"resubmit(,", ")"}, {"goto_table:", ""}, {"check_pkt_larger(", ")->NXM_NX_REG3[0]"}};
  const Kind number_kinds[] = {Kind::kOutput, Kind::kTable, Kind::kTable, Kind::kCheckLarger};
  for (size_t i = 0; i < std::size(number_words); ++i) {
    uint32_t number = 0;
    if (!absl::ConsumePrefix(&rest, number_words[i].first)) continue;
    if (!absl::ConsumeSuffix(&rest, number_words[i].second) || !absl::SimpleAtoi(rest, &number)) break;
    return Action{.kind = number_kinds[i], .value = number};
  }
  return Unknown("action", text);
}

absl::StatusOr<FlowInterpreter::Outputs> FlowInterpreter::Run(const TestPacket& packet) const {
  Walk walk{.packet = packet};
  XPU_RETURN_IF_ERROR(RunTable(0, &walk));
  return std::move(walk.outputs);
}

absl::Status FlowInterpreter::RunTable(uint8_t table, Walk* walk) const {
  if (++walk->lookups > kMaxLookups) return absl::InternalError("the packet goes in circles");
  const auto flows = tables_.find(table);
  if (flows == tables_.end()) return absl::OkStatus();
  const auto matches = [&](const Flow& flow) {
    return std::all_of(flow.matches.begin(), flow.matches.end(), [&](const FieldMatch& match) {
      return (walk->packet[match.field] & match.mask) == match.value;
    });
  };
  const auto& list = flows->second;
  const auto first = std::find_if(list.begin(), list.end(), matches);
  if (first == list.end()) return absl::OkStatus();
  for (auto other = first + 1; other != list.end() && other->priority == first->priority; ++other) {
    if (matches(*other) && other->action_text != first->action_text) {
      return absl::InternalError(
          absl::StrCat("two flows match ", walk->packet.ToString(), ":\n", first->text, "\n", other->text));
    }
  }
  for (const Action& action : first->actions) XPU_RETURN_IF_ERROR(RunAction(action, walk));
  return absl::OkStatus();
}

absl::Status FlowInterpreter::RunAction(const Action& action, Walk* walk) const {
  using Kind = Action::Kind;
  TestPacket& packet = walk->packet;
  switch (action.kind) {
    case Kind::kSet:
      packet[action.field] = action.value;
      break;
    case Kind::kMove:
      packet[action.field] = packet[action.from];
      break;
    case Kind::kPush:
      walk->stack.push_back(packet[action.field]);
      break;
    case Kind::kPop:
      if (walk->stack.empty()) return absl::InternalError("pop from an empty stack");
      packet[action.field] = walk->stack.back();
      walk->stack.pop_back();
      break;
    case Kind::kDecTtl:
      if (packet[Field::kTtl] <= 1) return absl::InternalError("dec_ttl of " + packet.ToString());
      packet[Field::kTtl] -= 1;
      break;
    case Kind::kCheckLarger:
      packet[Field::kReg3] = packet.bytes > absl::Uint128Low64(action.value) ? 1 : 0;
      break;
    case Kind::kPopVlan:
      packet[Field::kVlan] = 0;
      break;
    case Kind::kPushVlan:
      packet[Field::kVlan] = kVlanPresent;
      break;
    case Kind::kOutput:
      // The switch leaves out the ingress port.
      if (action.value == packet[Field::kInPort]) break;
      walk->outputs.emplace_back(static_cast<uint32_t>(action.value), packet);
      break;
    case Kind::kInPort:
      walk->outputs.emplace_back(static_cast<uint32_t>(packet.Get(Field::kInPort)), packet);
      break;
    case Kind::kController:
      walk->outputs.emplace_back(kController, packet);
      walk->outputs.back().second.opcode = static_cast<int>(packet.Get(Field::kReg1));
      break;
    case Kind::kIgnored:
      break;
    case Kind::kAside: {
      const TestPacket before = packet;
      packet[Field::kReg1] = action.value;
      XPU_RETURN_IF_ERROR(RunTable(action.table, walk));
      walk->packet = before;
      break;
    }
    case Kind::kTable:
      return RunTable(static_cast<uint8_t>(action.value), walk);
  }
  return absl::OkStatus();
}

}  // namespace xpu
