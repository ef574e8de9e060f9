#include "common/base/function_id.h"

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace xpu {

namespace {
constexpr absl::string_view kSubfunction = "-sf";
}

absl::StatusOr<FunctionId> FunctionId::Parse(absl::string_view text) {
  const size_t dash = text.find(kSubfunction);
  if (dash == absl::string_view::npos) return PciAddress::Parse(text);
  const absl::StatusOr<PciAddress> parent = PciAddress::Parse(text.substr(0, dash));
  if (!parent.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", absl::CEscape(text), "\" names no subfunction: ", parent.status().message()));
  }
  const absl::string_view digits = text.substr(dash + kSubfunction.size());
  uint32_t number = 0;
  // One spelling for each number, as ids are compared as text elsewhere.
  if (!absl::SimpleAtoi(digits, &number) || absl::StrCat(number) != digits) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text,
                                                   "\" names no subfunction: after \"-sf\" comes its "
                                                   "number, e.g. \"0000:03:00.0-sf88\""));
  }
  return FunctionId(*parent, number);
}

std::string FunctionId::ToString() const {
  if (!sf) return pci.ToString();
  return absl::StrCat(pci.ToString(), kSubfunction, *sf);
}

}  // namespace xpu
