// Kubernetes' libraries of IP addresses and CIDRs: without zones, leading zeros and IPv4 in IPv6.
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/ip_address.h"
#include "common/base/status_macros.h"
#include "common/cel/functions.h"

namespace xpu::cel {
namespace {

using Result = absl::StatusOr<Value>;

class IpValue : public Opaque {
 public:
  explicit IpValue(const IpAddress& address) : address_(address) {}
  const TypePtr& type() const override {
    static const TypePtr& type = *new TypePtr(OpaqueType("net.IP"));
    return type;
  }
  bool Equals(const Opaque& other) const override {
    return address_ == static_cast<const IpValue&>(other).address_;
  }
  std::string ToString() const override { return address_.ToString(); }
  const IpAddress& address() const { return address_; }

 private:
  IpAddress address_;
};

class CidrValue : public Opaque {
 public:
  CidrValue(const IpAddress& address, int length) : address_(address), length_(length) {}
  const TypePtr& type() const override {
    static const TypePtr& type = *new TypePtr(OpaqueType("net.CIDR"));
    return type;
  }
  bool Equals(const Opaque& other) const override {
    const auto& that = static_cast<const CidrValue&>(other);
    return address_ == that.address_ && length_ == that.length_;
  }
  std::string ToString() const override { return absl::StrCat(address_.ToString(), "/", length_); }
  const IpAddress& address() const { return address_; }
  int length() const { return length_; }
  IpPrefix prefix() const { return IpPrefix::Of(address_, length_); }

 private:
  IpAddress address_;
  int length_;
};

// No text of an address is longer.
constexpr size_t kMaxText = 64;

absl::StatusOr<IpAddress> ReadIp(absl::string_view text) {
  const absl::StatusOr<IpAddress> ip =
      text.size() > kMaxText ? absl::StatusOr<IpAddress>(BadArgument("too long")) : IpAddress::Parse(text);
  if (!ip.ok()) return BadArgument(absl::StrCat("'", text.substr(0, kMaxText), "' is no IP address"));
  if (ip->is_v6() && (ip->value() >> 32) == 0xffff) {
    return BadArgument(absl::StrCat("'", text, "' is an IPv4-mapped IPv6 address: write it as IPv4"));
  }
  return *ip;
}

absl::StatusOr<CidrValue> ReadCidr(absl::string_view text) {
  const absl::Status bad = BadArgument(absl::StrCat("'", text.substr(0, kMaxText), "' is no CIDR"));
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos) return bad;
  const absl::string_view digits = text.substr(slash + 1);
  int length = 0;
  if (digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0')) return bad;
  for (const char c : digits) {
    if (!absl::ascii_isdigit(c)) return bad;
  }
  const absl::StatusOr<IpAddress> ip = ReadIp(text.substr(0, slash));
  if (!ip.ok() || !absl::SimpleAtoi(digits, &length) || length > ip->bits()) return bad;
  return CidrValue(*ip, length);
}

Value Wrap(const IpAddress& address) { return Value(Value::OpaquePtr(std::make_shared<IpValue>(address))); }
Value Wrap(const CidrValue& cidr) { return Value(Value::OpaquePtr(std::make_shared<CidrValue>(cidr))); }

const IpAddress& IpArg(const Call& call, size_t arg) {
  return static_cast<const IpValue&>(**call.args[arg].As<Value::OpaquePtr>()).address();
}
const CidrValue& CidrArg(const Call& call, size_t arg) {
  return static_cast<const CidrValue&>(**call.args[arg].As<Value::OpaquePtr>());
}

Result MakeIp(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const IpAddress address, ReadIp(call.text(0)));
  return Wrap(address);
}
Result MakeCidr(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const CidrValue cidr, ReadCidr(call.text(0)));
  return Wrap(cidr);
}
Result IsIp(const Call& call) { return Value(ReadIp(call.text(0)).ok()); }
Result IsCidr(const Call& call) { return Value(ReadCidr(call.text(0)).ok()); }

Result IsCanonical(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const IpAddress address, ReadIp(call.text(0)));
  return Value(call.text(0) == address.ToString());
}

uint32_t First16(const IpAddress& ip) { return static_cast<uint32_t>(ip.value() >> 112); }

bool IsUnspecified(const IpAddress& ip) { return ip.value() == 0; }
bool IsLoopback(const IpAddress& ip) { return ip.is_v4() ? (ip.value() >> 24) == 127 : ip.value() == 1; }
bool IsMulticast(const IpAddress& ip) {
  return ip.is_v4() ? (ip.value() >> 28) == 0xe : First16(ip) >> 8 == 0xff;
}
bool IsLinkLocalMulticast(const IpAddress& ip) {
  return ip.is_v4() ? (ip.value() >> 8) == 0xe00000 : (First16(ip) & 0xff0f) == 0xff02;
}
bool IsLinkLocalUnicast(const IpAddress& ip) {
  return ip.is_v4() ? (ip.value() >> 16) == 0xa9fe : (First16(ip) & 0xffc0) == 0xfe80;
}
bool IsGlobalUnicast(const IpAddress& ip) {
  if (ip.is_v4() && ip.value() == 0xffffffff) return false;
  return !IsUnspecified(ip) && !IsLoopback(ip) && !IsMulticast(ip) && !IsLinkLocalUnicast(ip);
}

template <bool (*Is)(const IpAddress&)>
Result Property(const Call& call) {
  return Value(Is(IpArg(call, 0)));
}

Result Family(const Call& call) { return Value(int64_t{IpArg(call, 0).is_v4() ? 4 : 6}); }

bool Contains(const CidrValue& cidr, const IpAddress& ip) {
  return cidr.address().family() == ip.family() && cidr.prefix().Contains(ip);
}

Result ContainsIp(const Call& call) { return Value(Contains(CidrArg(call, 0), IpArg(call, 1))); }
Result ContainsIpText(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const IpAddress address, ReadIp(call.text(1)));
  return Value(Contains(CidrArg(call, 0), address));
}

bool ContainsCidr(const CidrValue& outer, const CidrValue& inner) {
  return outer.length() <= inner.length() && Contains(outer, inner.address());
}

Result ContainsCidrValue(const Call& call) { return Value(ContainsCidr(CidrArg(call, 0), CidrArg(call, 1))); }
Result ContainsCidrText(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const CidrValue inner, ReadCidr(call.text(1)));
  return Value(ContainsCidr(CidrArg(call, 0), inner));
}

Result Masked(const Call& call) {
  const CidrValue& cidr = CidrArg(call, 0);
  return Wrap(CidrValue(cidr.prefix().address(), cidr.length()));
}

Result Shown(const Call& call) { return Value::String((*call.args[0].As<Value::OpaquePtr>())->ToString()); }

}  // namespace

void AddAddresses(Library* library) {
  library->Add("ip(string) -> IP", MakeIp);
  library->Add("isIP(string) -> bool", IsIp);
  library->Add("ip.isCanonical(string) -> bool", IsCanonical);
  library->Add("IP.family() -> int", Family);
  library->Add("IP.isUnspecified() -> bool", Property<IsUnspecified>);
  library->Add("IP.isLoopback() -> bool", Property<IsLoopback>);
  library->Add("IP.isLinkLocalMulticast() -> bool", Property<IsLinkLocalMulticast>);
  library->Add("IP.isLinkLocalUnicast() -> bool", Property<IsLinkLocalUnicast>);
  library->Add("IP.isGlobalUnicast() -> bool", Property<IsGlobalUnicast>);
  library->Add("string(IP) -> string", Shown);
  library->Add("cidr(string) -> CIDR", MakeCidr);
  library->Add("isCIDR(string) -> bool", IsCidr);
  library->Add("CIDR.containsIP(IP) -> bool", ContainsIp);
  library->Add("CIDR.containsIP(string) -> bool", ContainsIpText);
  library->Add("CIDR.containsCIDR(CIDR) -> bool", ContainsCidrValue);
  library->Add("CIDR.containsCIDR(string) -> bool", ContainsCidrText);
  library->Add("CIDR.ip() -> IP",
               [](const Call& call) -> Result { return Wrap(CidrArg(call, 0).address()); });
  library->Add("CIDR.masked() -> CIDR", Masked);
  library->Add("CIDR.prefixLength() -> int",
               [](const Call& call) -> Result { return Value(int64_t{CidrArg(call, 0).length()}); });
  library->Add("string(CIDR) -> string", Shown);
}

}  // namespace xpu::cel
