#include "host-agent/alloc/claim_columns.h"

#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/casts.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

// In the order in which BindClaim and ReadClaim go through them.
const char kColumns[] =
    "function, claim, state, card, port, host_ifname, host_mac, host_mtu, mac, known_by_alias, container_id, "
    "ifname, netns, pod_namespace, pod_name, cni_network, network_namespace, network, confirmed, addresses, "
    "gateways, mtu, host_pending, dpu_pending, vfio, before_mac, before_vlan, before_vlan_qos, "
    "before_vlan_proto, before_spoof_check, before_trust, before_link_state, before_min_tx_rate, "
    "before_max_tx_rate, vlan, ipam_type, ipam_path, ipam_args, ipam_config, ipam_pending, result, "
    "pod_ingress_rate, pod_ingress_burst, pod_egress_rate, pod_egress_burst, checksum";

int StateNumber(ClaimState state) {
  switch (state) {
    case ClaimState::kClaimed:
      return 1;
    case ClaimState::kAttached:
      return 2;
    case ClaimState::kUndoing:
      return 3;
  }
  return 0;
}

absl::StatusOr<ClaimState> StateFromNumber(int64_t number) {
  for (ClaimState state : {ClaimState::kClaimed, ClaimState::kAttached, ClaimState::kUndoing}) {
    if (StateNumber(state) == number) return state;
  }
  return absl::InvalidArgumentError(absl::StrCat(number, " is no state"));
}

int LinkStateNumber(VfSettings::LinkState state) {
  switch (state) {
    case VfSettings::LinkState::kAuto:
      return 1;
    case VfSettings::LinkState::kEnable:
      return 2;
    case VfSettings::LinkState::kDisable:
      return 3;
  }
  return 0;
}

absl::StatusOr<VfSettings::LinkState> LinkStateFromNumber(int64_t number) {
  using State = VfSettings::LinkState;
  for (State state : {State::kAuto, State::kEnable, State::kDisable}) {
    if (LinkStateNumber(state) == number) return state;
  }
  return absl::InvalidArgumentError(absl::StrCat(number, " is no state of a link"));
}

// FNV-1a, 64 bits, of a row's columns: enough against chance.
class RowChecksum {
 public:
  void AddNull() { AddBytes("n"); }
  void Add(int64_t number) { AddBytes(absl::StrCat("i", number, ";")); }
  void Add(absl::string_view text) {
    AddBytes(absl::StrCat("t", text.size(), ";"));
    AddBytes(text);
  }
  int64_t value() const { return absl::bit_cast<int64_t>(value_); }

 private:
  void AddBytes(absl::string_view bytes) {
    for (const char byte : bytes) value_ = (value_ ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  }
  uint64_t value_ = 0xcbf29ce484222325;
};

// Binds parameter after parameter.
class RowWriter {
 public:
  explicit RowWriter(Statement& statement) : statement_(statement) {}
  void Put(absl::string_view text) {
    statement_.Bind(++at_, text);
    checksum_.Add(text);
  }
  void Put(int64_t number) {
    statement_.Bind(++at_, number);
    checksum_.Add(number);
  }
  // The last.
  void PutChecksum() { statement_.Bind(++at_, checksum_.value()); }
  // Of a column that came when there were rows and their checksums already: 0 is NULL, and adds nothing.
  void PutUnlessZero(uint64_t number) {
    if (number == 0) {
      statement_.BindNull(++at_);
    } else {
      Put(static_cast<int64_t>(number));
    }
  }
  // NULL for none.
  template <typename T>
  void PutMaybe(const std::optional<T>& value) {
    if (!value) {
      statement_.BindNull(++at_);
      checksum_.AddNull();
    } else if constexpr (std::is_arithmetic_v<T>) {
      Put(static_cast<int64_t>(*value));
    } else {
      Put(absl::string_view(*value));
    }
  }

 private:
  Statement& statement_;
  int at_ = 0;
  RowChecksum checksum_;
};

// Reads column after column; the first that holds something else than what is asked for is remembered.
class RowReader {
 public:
  explicit RowReader(const Statement& statement) : statement_(statement) {}
  const absl::Status& status() const { return status_; }

  std::string Text() {
    std::string text = statement_.Text(at_++);
    checksum_.Add(text);
    return text;
  }
  bool Bool() { return Number<uint8_t>(1) != 0; }
  // 0 to `max`.
  template <typename T>
  T Number(T max = std::numeric_limits<T>::max()) {
    const int64_t number = statement_.Int(at_++);
    checksum_.Add(number);
    if (number >= 0 && number <= static_cast<int64_t>(max)) return static_cast<T>(number);
    status_.Update(absl::InvalidArgumentError(absl::StrCat(number, " in column ", at_, " is out of range")));
    return 0;
  }
  // What PutUnlessZero() has put.
  uint64_t NumberOrZero(uint64_t max) {
    if (!statement_.IsNull(at_)) return Number<uint64_t>(max);
    ++at_;
    return 0;
  }
  template <typename T>
  std::optional<T> MaybeNumber(T max = std::numeric_limits<T>::max()) {
    if (SkipNull()) return std::nullopt;
    return Number<T>(max);
  }
  std::optional<std::string> MaybeText() {
    if (SkipNull()) return std::nullopt;
    return Text();
  }
  std::optional<bool> MaybeBool() {
    if (SkipNull()) return std::nullopt;
    return Bool();
  }
  // The last: it must be that of all before it.
  void CheckChecksum() {
    const bool matches = statement_.IsNull(at_) || statement_.Int(at_) == checksum_.value();
    if (!matches) status_.Update(absl::InvalidArgumentError("its checksum is another"));
  }
  // What `parse` makes of the text or number.
  template <typename T, typename From>
  T Parsed(absl::StatusOr<T> (*parse)(From), const From& from) {
    absl::StatusOr<T> value = parse(from);
    status_.Update(value.status());
    return value.ok() ? *std::move(value) : T();
  }
  // The same of each word of a text.
  template <typename T>
  std::vector<T> ParsedList(absl::StatusOr<T> (*parse)(absl::string_view)) {
    std::vector<T> values;
    const std::string text = Text();
    for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
      values.push_back(Parsed(parse, word));
    }
    return values;
  }

 private:
  bool SkipNull() {
    if (!statement_.IsNull(at_)) return false;
    ++at_;
    checksum_.AddNull();
    return true;
  }

  const Statement& statement_;
  int at_ = 0;
  RowChecksum checksum_;
  absl::Status status_;
};

constexpr uint16_t kMaxVlan = 4094;
constexpr uint8_t kMaxQos = 7;

void BindSettings(RowWriter& out, const VfSettings& settings) {
  std::optional<std::string> mac;
  if (settings.mac) mac = settings.mac->ToString();
  out.PutMaybe(mac);
  const auto of_vlan = [&](auto field) {
    return settings.vlan ? std::optional<int>((*settings.vlan).*field) : std::nullopt;
  };
  out.PutMaybe(of_vlan(&VfSettings::Vlan::id));
  out.PutMaybe(of_vlan(&VfSettings::Vlan::qos));
  out.PutMaybe(of_vlan(&VfSettings::Vlan::protocol));
  out.PutMaybe(settings.spoof_check);
  out.PutMaybe(settings.trust);
  out.PutMaybe(settings.link_state ? std::optional<int>(LinkStateNumber(*settings.link_state))
                                   : std::nullopt);
  out.PutMaybe(settings.min_tx_rate);
  out.PutMaybe(settings.max_tx_rate);
}

VfSettings ReadSettings(RowReader& in) {
  VfSettings settings;
  if (const auto mac = in.MaybeText())
    settings.mac = in.Parsed<MacAddress, absl::string_view>(MacAddress::Parse, *mac);
  const auto id = in.MaybeNumber<uint16_t>(kMaxVlan);
  const auto qos = in.MaybeNumber<uint8_t>(kMaxQos);
  const auto protocol = in.MaybeNumber<uint16_t>();
  if (id) {
    settings.vlan = VfSettings::Vlan{.id = *id};
    settings.vlan->qos = qos.value_or(0);
    settings.vlan->protocol = protocol.value_or(settings.vlan->protocol);
  }
  settings.spoof_check = in.MaybeBool();
  settings.trust = in.MaybeBool();
  if (const auto state = in.MaybeNumber<int64_t>()) {
    settings.link_state = in.Parsed(LinkStateFromNumber, *state);
  }
  settings.min_tx_rate = in.MaybeNumber<uint32_t>();
  settings.max_tx_rate = in.MaybeNumber<uint32_t>();
  return settings;
}

}  // namespace

absl::string_view ClaimColumns() { return kColumns; }

std::string ClaimParameters() {
  std::vector<std::string> parameters;
  for (size_t i = 1; i <= std::vector<std::string>(absl::StrSplit(kColumns, ", ")).size(); ++i) {
    parameters.push_back(absl::StrCat("?", i));
  }
  return absl::StrJoin(parameters, ", ");
}

void BindClaim(Statement& statement, const ClaimRow& row) {
  const Attachment attachment = row.attachment.value_or(Attachment());
  const auto to_string = [](std::string* out, const auto& value) { out->append(value.ToString()); };
  RowWriter out(statement);
  out.Put(row.function.ToString());
  out.Put(row.claim);
  out.Put(StateNumber(row.state));
  out.Put(row.card);
  out.Put(row.port);
  out.Put(row.host_ifname);
  out.Put(row.host_mac.ToString());
  out.Put(row.host_mtu);
  out.Put(row.mac.ToString());
  out.Put(row.known_by_alias);
  out.PutMaybe(row.attachment ? std::optional<std::string>(attachment.container_id) : std::nullopt);
  out.Put(attachment.ifname);
  out.Put(attachment.netns);
  out.Put(attachment.pod_namespace);
  out.Put(attachment.pod_name);
  out.Put(attachment.cni_network);
  out.Put(attachment.network_namespace);
  out.Put(attachment.network);
  out.Put(row.confirmed);
  out.Put(absl::StrJoin(row.addresses, " ", to_string));
  out.Put(absl::StrJoin(row.gateways, " ", to_string));
  out.Put(row.mtu);
  out.Put(row.host_pending);
  out.Put(row.dpu_pending);
  out.Put(row.vfio);
  BindSettings(out, row.settings_before);
  out.PutMaybe(attachment.vlan);
  for (std::string IpamCall::*field :
       {&IpamCall::type, &IpamCall::path, &IpamCall::args, &IpamCall::config}) {
    out.PutMaybe(row.ipam ? std::optional<std::string>((*row.ipam).*field) : std::nullopt);
  }
  out.Put(row.ipam_pending);
  out.Put(row.result);
  for (const RateLimit& limit : {attachment.bandwidth.ingress, attachment.bandwidth.egress}) {
    out.PutUnlessZero(limit.rate);
    out.PutUnlessZero(limit.burst);
  }
  out.PutChecksum();
}

absl::StatusOr<ClaimRow> ReadClaim(const Statement& statement) {
  RowReader in(statement);
  ClaimRow row;
  const auto parse_mac = [&in] {
    return in.Parsed<MacAddress, absl::string_view>(MacAddress::Parse, in.Text());
  };
  row.function = in.Parsed<FunctionId, absl::string_view>(FunctionId::Parse, in.Text());
  row.claim = in.Number<int64_t>(kMaxClaim);
  row.state = in.Parsed(StateFromNumber, in.Number<int64_t>());
  row.card = in.Text();
  row.port = in.Text();
  row.host_ifname = in.Text();
  row.host_mac = parse_mac();
  row.host_mtu = in.Number<uint32_t>();
  row.mac = parse_mac();
  row.known_by_alias = in.Bool();
  const std::optional<std::string> container_id = in.MaybeText();
  Attachment attachment;
  attachment.container_id = container_id.value_or("");
  attachment.ifname = in.Text();
  attachment.netns = in.Text();
  attachment.pod_namespace = in.Text();
  attachment.pod_name = in.Text();
  attachment.cni_network = in.Text();
  attachment.network_namespace = in.Text();
  attachment.network = in.Text();
  row.confirmed = in.Bool();
  row.addresses = in.ParsedList(InterfaceAddress::Parse);
  row.gateways = in.ParsedList(IpAddress::Parse);
  row.mtu = in.Number<uint32_t>();
  row.host_pending = in.Bool();
  row.dpu_pending = in.Bool();
  row.vfio = in.Bool();
  row.settings_before = ReadSettings(in);
  attachment.vlan = in.MaybeNumber<uint16_t>(kMaxVlan);
  const std::optional<std::string> ipam_type = in.MaybeText();
  IpamCall ipam;
  for (std::string IpamCall::*field : {&IpamCall::path, &IpamCall::args, &IpamCall::config}) {
    ipam.*field = in.MaybeText().value_or("");
  }
  ipam.type = ipam_type.value_or("");
  if (ipam_type) row.ipam = std::move(ipam);
  row.ipam_pending = in.Bool();
  row.result = in.Text();
  for (RateLimit* limit : {&attachment.bandwidth.ingress, &attachment.bandwidth.egress}) {
    limit->rate = in.NumberOrZero(kMostBandwidth);
    limit->burst = in.NumberOrZero(kMostBandwidth);
  }
  if (container_id) row.attachment = std::move(attachment);
  in.CheckChecksum();
  XPU_RETURN_IF_ERROR(in.status());
  return row;
}

}  // namespace xpu
