// Kubernetes' library of quantities (apimachinery, "resource.Quantity"): 1.5G, 200k, 20Mi, 1e3.
#include <charconv>
#include <limits>

#include "absl/numeric/int128.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/cel/functions.h"

namespace xpu::cel {
namespace {

using Result = absl::StatusOr<Value>;

constexpr int64_t kNanosPerUnit = 1000000000;

// In units of 10^-9, which is as fine as quantities are; what is larger than 2^63 - 1 units is that.
struct Quantity {
  absl::int128 nanos = 0;
  bool is_capped = false;
};

absl::int128 Largest() { return absl::int128(std::numeric_limits<int64_t>::max()) * kNanosPerUnit; }

Quantity Capped(absl::int128 nanos) {
  if (nanos > Largest()) return {Largest(), true};
  if (nanos < -Largest()) return {-Largest(), true};
  return {nanos, false};
}

struct Suffix {
  const char* text;
  int decimal;  // power of ten
  int binary;   // power of two
};

constexpr Suffix kSuffixes[] = {{"", 0, 0},    {"n", -9, 0},  {"u", -6, 0},  {"m", -3, 0},
                                {"k", 3, 0},   {"M", 6, 0},   {"G", 9, 0},   {"T", 12, 0},
                                {"P", 15, 0},  {"E", 18, 0},  {"Ki", 0, 10}, {"Mi", 0, 20},
                                {"Gi", 0, 30}, {"Ti", 0, 40}, {"Pi", 0, 50}, {"Ei", 0, 60}};

std::optional<Suffix> ReadSuffix(absl::string_view text) {
  for (const Suffix& suffix : kSuffixes) {
    if (text == suffix.text) return suffix;
  }
  if (!absl::StartsWithIgnoreCase(text, "e")) return std::nullopt;
  text.remove_prefix(1);
  if (absl::StartsWith(text, "+")) {
    text.remove_prefix(1);
    if (!text.empty() && !absl::ascii_isdigit(text[0])) return std::nullopt;
  }
  int exponent = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), exponent);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return Suffix{"e", std::min(std::max(exponent, -1000), 1000), 0};
}

// Digits times a power of ten; some of them may be gone, if they were too many.
struct Decimal {
  absl::int128 digits = 0;
  int64_t power = 0;
  bool has_more = false;
};

// More digits than this do not count but for rounding.
constexpr int kDigits = 20;

std::optional<Decimal> ReadDecimal(absl::string_view* text) {
  Decimal out;
  bool any = false, behind_dot = false;
  int count = 0;
  while (!text->empty() && (absl::ascii_isdigit(text->front()) || (text->front() == '.' && !behind_dot))) {
    const char c = text->front();
    text->remove_prefix(1);
    if (c == '.') {
      behind_dot = true;
      continue;
    }
    any = true;
    if (count < kDigits) {
      out.digits = out.digits * 10 + (c - '0');
      if (out.digits != 0) ++count;
      if (behind_dot) --out.power;
    } else {
      out.has_more = out.has_more || c != '0';
      if (!behind_dot) ++out.power;
    }
  }
  if (!any) return std::nullopt;
  return out;
}

std::optional<Quantity> ReadQuantity(absl::string_view text) {
  const bool negative = absl::StartsWith(text, "-");
  if (negative || absl::StartsWith(text, "+")) text.remove_prefix(1);
  const std::optional<Decimal> number = ReadDecimal(&text);
  if (!number) return std::nullopt;
  const std::optional<Suffix> suffix = ReadSuffix(text);
  if (!suffix) return std::nullopt;
  absl::int128 nanos = number->digits << suffix->binary;
  bool rounds_up = number->has_more;
  int64_t power = number->power + suffix->decimal + 9;
  for (; power > 0 && nanos != 0 && nanos <= Largest(); --power) nanos *= 10;
  for (; power < 0 && nanos != 0; ++power) {
    rounds_up = rounds_up || nanos % 10 != 0;
    nanos /= 10;
  }
  if (rounds_up) nanos += 1;
  return Capped(negative ? -nanos : nanos);
}

class QuantityValue : public Opaque {
 public:
  explicit QuantityValue(Quantity quantity) : quantity_(quantity) {}
  const TypePtr& type() const override {
    static const TypePtr& type = *new TypePtr(OpaqueType("kubernetes.Quantity"));
    return type;
  }
  bool Equals(const Opaque& other) const override {
    return quantity_.nanos == static_cast<const QuantityValue&>(other).quantity_.nanos;
  }
  std::string ToString() const override {
    const absl::int128 rest = quantity_.nanos % kNanosPerUnit;
    const std::string nanos = rest == 0 ? "" : absl::StrCat(static_cast<int64_t>(quantity_.nanos), "n");
    return rest == 0 || quantity_.nanos > INT64_MAX || quantity_.nanos < INT64_MIN
               ? absl::StrCat(static_cast<int64_t>(quantity_.nanos / kNanosPerUnit))
               : nanos;
  }
  const Quantity& quantity() const { return quantity_; }

 private:
  Quantity quantity_;
};

Value Wrap(const Quantity& quantity) {
  return Value(Value::OpaquePtr(std::make_shared<QuantityValue>(quantity)));
}
const Quantity& QuantityArg(const Call& call, size_t arg) {
  return static_cast<const QuantityValue&>(**call.args[arg].As<Value::OpaquePtr>()).quantity();
}

Result MakeQuantity(const Call& call) {
  if (!call.budget.SpendOnText(call.text(0).size())) return Exhausted();
  const std::optional<Quantity> quantity = ReadQuantity(call.text(0));
  if (quantity) return Wrap(*quantity);
  return BadArgument(
      absl::StrCat("'", call.text(0).substr(0, 80), "' is no quantity, such as 1.5G, 200k or 20Mi"));
}

Result IsQuantity(const Call& call) {
  if (!call.budget.SpendOnText(call.text(0).size())) return Exhausted();
  return Value(ReadQuantity(call.text(0)).has_value());
}

int64_t CompareQuantities(const Call& call) {
  const absl::int128 a = QuantityArg(call, 0).nanos, b = QuantityArg(call, 1).nanos;
  return a < b ? -1 : a > b ? 1 : 0;
}

bool IsWholeQuantity(const Quantity& quantity) {
  return !quantity.is_capped && quantity.nanos % kNanosPerUnit == 0;
}

Result QuantityAsInteger(const Call& call) {
  const Quantity& quantity = QuantityArg(call, 0);
  if (!IsWholeQuantity(quantity)) return BadArgument("cannot convert value to integer");
  return Value(static_cast<int64_t>(quantity.nanos / kNanosPerUnit));
}

Result QuantityAsDouble(const Call& call) {
  const absl::int128 nanos = QuantityArg(call, 0).nanos;
  return Value(static_cast<double>(nanos / kNanosPerUnit) +
               static_cast<double>(nanos % kNanosPerUnit) / static_cast<double>(kNanosPerUnit));
}

Result QuantitySign(const Call& call) {
  const absl::int128 nanos = QuantityArg(call, 0).nanos;
  return Value(int64_t{nanos < 0 ? -1 : nanos > 0 ? 1 : 0});
}

// Both are at most 2^63 units: the sum of two fits easily.
Result Added(const Call& call, int sign) {
  const absl::int128 b = call.args[1].As<int64_t>() != nullptr ? absl::int128(call.integer(1)) * kNanosPerUnit
                                                               : QuantityArg(call, 1).nanos;
  return Wrap(Capped(QuantityArg(call, 0).nanos + b * sign));
}
Result AddQuantity(const Call& call) { return Added(call, 1); }
Result SubtractQuantity(const Call& call) { return Added(call, -1); }

}  // namespace

void AddQuantities(Library* library) {
  library->Add("quantity(string) -> Quantity", MakeQuantity);
  library->Add("isQuantity(string) -> bool", IsQuantity);
  library->Add("Quantity.isInteger() -> bool",
               [](const Call& call) -> Result { return Value(IsWholeQuantity(QuantityArg(call, 0))); });
  library->Add("Quantity.asInteger() -> int", QuantityAsInteger);
  library->Add("Quantity.asApproximateFloat() -> double", QuantityAsDouble);
  library->Add("Quantity.sign() -> int", QuantitySign);
  library->Add("Quantity.add(Quantity) -> Quantity", AddQuantity);
  library->Add("Quantity.add(int) -> Quantity", AddQuantity);
  library->Add("Quantity.sub(Quantity) -> Quantity", SubtractQuantity);
  library->Add("Quantity.sub(int) -> Quantity", SubtractQuantity);
  library->Add("Quantity.isGreaterThan(Quantity) -> bool",
               [](const Call& call) -> Result { return Value(CompareQuantities(call) > 0); });
  library->Add("Quantity.isLessThan(Quantity) -> bool",
               [](const Call& call) -> Result { return Value(CompareQuantities(call) < 0); });
  library->Add("Quantity.compareTo(Quantity) -> int",
               [](const Call& call) -> Result { return Value(CompareQuantities(call)); });
}

}  // namespace xpu::cel
