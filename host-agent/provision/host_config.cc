#include "host-agent/provision/host_config.h"

#include <google/protobuf/message.h>

#include <limits>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "xpu/hostagent/v1/config.pb.h"

namespace xpu {
namespace {

namespace pb = hostagent::v1;
using api::FieldErrors;

// No card has more virtual functions: a PCI function has 16 bits for their number (PCIe, NumVFs).
constexpr int kMaxIndex = std::numeric_limits<uint16_t>::max();

bool ParseIndex(absl::string_view text, int* index) {
  return absl::SimpleAtoi(text, index) && *index >= 0 && *index < kMaxIndex;
}

// "4-7" or "4": first and last.
bool ParseRange(absl::string_view text, int* first, int* last) {
  const std::vector<absl::string_view> ends = absl::StrSplit(text, '-');
  if (ends.size() > 2 || !ParseIndex(absl::StripAsciiWhitespace(ends.front()), first)) return false;
  *last = *first;
  return ends.size() == 1 || (ParseIndex(absl::StripAsciiWhitespace(ends[1]), last) && *last >= *first);
}

void ReadDrivers(const pb::PhysicalFunctionConfiguration& in, const std::string& path, PfSetup* setup,
                 FieldErrors* errors) {
  for (int i = 0; i < in.drivers_size(); ++i) {
    const pb::DriverConfiguration& entry = in.drivers(i);
    const std::string at = absl::StrCat(path, ".drivers[", i, "]");
    // It becomes part of a path of sysfs.
    if (entry.driver().find_first_of("/ \t\n") != std::string::npos || entry.driver()[0] == '.') {
      errors->push_back({"FieldValueInvalid", at + ".driver",
                         "must be the name of a driver as in /sys/bus/pci/drivers, such as \"vfio-pci\""});
    }
    for (absl::string_view part : absl::StrSplit(entry.functions(), ',')) {
      int first = 0, last = 0;
      if (!ParseRange(part, &first, &last)) {
        errors->push_back({"FieldValueInvalid", at + ".functions",
                           absl::StrCat("must be indices and ranges of them, such as \"0,2,8-15\"; \"", part,
                                        "\" is none")});
        continue;
      }
      if (in.has_vfs() && last >= in.vfs()) {
        errors->push_back({"FieldValueInvalid", at + ".functions",
                           absl::StrCat("names virtual function ", last, ", but there are to be ", in.vfs(),
                                        " only, counted from 0")});
        continue;
      }
      for (int index = first; index <= last; ++index) {
        if (setup->drivers.emplace(index, entry.driver()).second) continue;
        errors->push_back({"FieldValueDuplicate", at + ".functions",
                           absl::StrCat("virtual function ", index, " has a driver already")});
        break;
      }
    }
  }
}

// The address `steps` after `first`; not unicast, or lower, beyond the last one.
MacAddress Advance(const MacAddress& first, uint64_t steps) {
  uint64_t value = 0;
  for (const uint8_t octet : first.octets()) value = value << 8 | octet;
  value += steps;
  std::array<uint8_t, 6> octets{};
  for (int i = 5; i >= 0; --i, value >>= 8) octets[i] = static_cast<uint8_t>(value);
  return MacAddress(octets);
}

void ReadSubfunctions(const pb::SubfunctionConfiguration& in, const std::string& path, PfSetup* setup,
                      FieldErrors* errors) {
  if (in.has_count() == (in.numbers_size() > 0)) {
    errors->push_back({"FieldValueInvalid", path, "must have either count or numbers"});
    return;
  }
  std::set<uint32_t> numbers;
  for (int i = 0; i < in.count(); ++i) numbers.insert(static_cast<uint32_t>(i));
  for (int i = 0; i < in.numbers_size(); ++i) {
    if (numbers.insert(static_cast<uint32_t>(in.numbers(i))).second) continue;
    errors->push_back({"FieldValueDuplicate", absl::StrCat(path, ".numbers[", i, "]"),
                       absl::StrCat(in.numbers(i), " is there already")});
  }
  setup->sfs.emplace();
  // Its format has been looked at.
  const MacAddress first = MacAddress::Parse(in.mac()).value_or(MacAddress());
  for (const uint32_t number : numbers) {
    SubfunctionSetup& sf = setup->sfs->emplace_back();
    sf.number = number;
    if (in.mac().empty()) continue;
    sf.mac = Advance(first, setup->sfs->size() - 1);
    if (sf.mac->IsUnicast() && *sf.mac >= first) continue;
    errors->push_back({"FieldValueInvalid", path + ".mac",
                       absl::StrCat("leaves no address for subfunction ", number,
                                    ": those that follow it are not of an interface")});
    return;
  }
}

absl::StatusOr<pb::HostAgentConfiguration> Parse(absl::string_view text, absl::string_view source) {
  XPU_ASSIGN_OR_RETURN(const std::vector<api::YamlDocument> documents, api::YamlToJson(text, source));
  if (documents.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, ": must hold one document, has ", documents.size(),
                     "; see docs/reference/host-agent-configuration.md for its fields"));
  }
  const nlohmann::json& object = documents[0].value;
  pb::HostAgentConfiguration in;
  XPU_RETURN_IF_ERROR(api::ToStatus(api::ValidateMessage(*in.GetDescriptor(), object), source));
  XPU_RETURN_IF_ERROR(api::ToStatus(api::DecodeMessage(object, &in), source));
  return in;
}

}  // namespace

absl::StatusOr<std::vector<CardConfig>> ReadHostConfig(absl::string_view text, absl::string_view source) {
  XPU_ASSIGN_OR_RETURN(const pb::HostAgentConfiguration in, Parse(text, source));
  std::vector<CardConfig> cards;
  FieldErrors errors;
  for (int i = 0; i < in.cards_size(); ++i) {
    const pb::CardConfiguration& card = in.cards(i);
    for (int j = 0; j < card.physical_functions_size(); ++j) {
      const pb::PhysicalFunctionConfiguration& pf = card.physical_functions(j);
      const std::string path = absl::StrCat("cards[", i, "].physicalFunctions[", j, "]");
      CardConfig& out = cards.emplace_back();
      out.name = card.name();
      out.endpoint = card.endpoint();
      out.pf = PciAddress::Parse(pf.address()).value_or(PciAddress());
      if (pf.has_vfs()) out.setup.vfs = pf.vfs();
      ReadDrivers(pf, path, &out.setup, &errors);
      if (pf.has_subfunctions())
        ReadSubfunctions(pf.subfunctions(), path + ".subfunctions", &out.setup, &errors);
    }
  }
  XPU_RETURN_IF_ERROR(api::ToStatus(errors, source));
  if (const absl::Status status = CheckCards(cards); !status.ok()) return Annotate(status, source);
  return cards;
}

absl::StatusOr<std::map<std::string, TlsFiles>> ReadCardCredentials(absl::string_view text,
                                                                    absl::string_view source) {
  XPU_ASSIGN_OR_RETURN(const pb::HostAgentConfiguration in, Parse(text, source));
  std::map<std::string, TlsFiles> credentials;
  FieldErrors errors;
  for (int i = 0; i < in.cards_size(); ++i) {
    const pb::CardConfiguration& card = in.cards(i);
    const std::string path = absl::StrCat("cards[", i, "].tls");
    const bool local = card.endpoint().empty() || absl::StartsWith(card.endpoint(), "unix:");
    if (local == card.has_tls()) {
      errors.push_back({local ? "FieldValueForbidden" : "FieldValueRequired", path,
                        local ? "has no use but for an endpoint \"host:port\""
                              : "is needed, as the endpoint is not a unix socket"});
      continue;
    }
    if (local) continue;
    const TlsFiles files = {card.tls().certificate(), card.tls().key(), card.tls().ca()};
    if (credentials.emplace(card.endpoint(), files).first->second == files) continue;
    errors.push_back({"FieldValueInvalid", path, "must be the same for all cards of one endpoint"});
  }
  XPU_RETURN_IF_ERROR(api::ToStatus(errors, source));
  return credentials;
}

absl::StatusOr<std::map<std::string, std::string>> ReadCardNamespaces(absl::string_view text,
                                                                      absl::string_view source) {
  XPU_ASSIGN_OR_RETURN(const pb::HostAgentConfiguration in, Parse(text, source));
  std::map<std::string, std::string> namespaces;
  std::set<std::string> targets;
  FieldErrors errors;
  for (int i = 0; i < in.namespaces_size(); ++i) {
    const pb::NamespaceConfiguration& entry = in.namespaces(i);
    const std::string path = absl::StrCat("namespaces[", i, "]");
    if (!namespaces.emplace(entry.source(), entry.target()).second) {
      errors.push_back(
          {"FieldValueDuplicate", path + ".source", absl::StrCat(entry.source(), " has a target already")});
    }
    // Its Networks could have the same names.
    if (!targets.insert(entry.target()).second) {
      errors.push_back({"FieldValueDuplicate", path + ".target",
                        absl::StrCat(entry.target(), " is another namespace's already")});
    }
  }
  XPU_RETURN_IF_ERROR(api::ToStatus(errors, source));
  return namespaces;
}

}  // namespace xpu
