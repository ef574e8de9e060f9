#include "device-plugin/pool_config.h"

#include <cstdint>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/function_id.h"
#include "common/base/pci_address.h"
#include "common/base/status_macros.h"
#include "device-plugin/resource_name.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

absl::Status Wrong(absl::string_view where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

// For messages: the value, cut short, and whatever bytes it has as text.
std::string Shown(const json& value) {
  // Not what is in it: that can be deeper than the stack.
  if (value.is_structured()) return value.is_array() ? "a list" : "an object";
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

// The members of an object, taken one after the other by name in any case; what is left at the end is known
// to nobody.
class Members {
 public:
  // `where` is for messages.
  static absl::StatusOr<Members> Of(const json& value, std::string where) {
    if (!value.is_object()) return Wrong(where, absl::StrCat("must be an object, not ", Shown(value)));
    Members members(std::move(where));
    for (const auto& [name, member] : value.items())
      members.left_[absl::AsciiStrToLower(name)] = {name, &member};
    return members;
  }

  const std::string& where() const { return where_; }
  void set_where(std::string where) { where_ = std::move(where); }
  std::string Where(absl::string_view key) const { return absl::StrCat(where_, ": ", key); }

  // Null if it is not there, or null.
  const json* Take(absl::string_view key) {
    const auto found = left_.find(absl::AsciiStrToLower(key));
    if (found == left_.end()) return nullptr;
    const json* value = found->second.second;
    left_.erase(found);
    return value->is_null() ? nullptr : value;
  }
  absl::StatusOr<std::string> TakeString(absl::string_view key) {
    const json* value = Take(key);
    if (value == nullptr) return std::string();
    if (!value->is_string()) return Wrong(Where(key), absl::StrCat("must be a string, not ", Shown(*value)));
    return value->get<std::string>();
  }
  absl::StatusOr<bool> TakeBool(absl::string_view key) {
    const json* value = Take(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) {
      return Wrong(Where(key),
                   absl::StrCat("must be true or false, without quotation marks, not ", Shown(*value)));
    }
    return value->get<bool>();
  }
  absl::StatusOr<std::vector<std::string>> TakeStrings(absl::string_view key) {
    const json* value = Take(key);
    std::vector<std::string> strings;
    if (value == nullptr) return strings;
    if (!value->is_array()) {
      return Wrong(Where(key), absl::StrCat("must be a list of strings, not ", Shown(*value)));
    }
    for (const json& entry : *value) {
      if (!entry.is_string())
        return Wrong(Where(key), absl::StrCat("must have strings only, not ", Shown(entry)));
      strings.push_back(entry.get<std::string>());
    }
    return strings;
  }
  // An error if the key has anything in it.
  absl::Status Refuse(absl::string_view key, absl::string_view why) {
    const json* value = Take(key);
    if (value == nullptr || value->empty() ||
        (value->is_string() && value->get_ref<const std::string&>().empty())) {
      return absl::OkStatus();
    }
    return Wrong(Where(key), why);
  }
  void WarnOfTheRest(std::vector<std::string>& warnings) const {
    for (const auto& [lower, member] : left_) {
      if (member.second->is_null()) continue;
      warnings.push_back(absl::StrCat(where_, ": ", Shown(member.first), " is not known and has no effect"));
    }
  }

 private:
  explicit Members(std::string where) : where_(std::move(where)) {}

  std::string where_;
  // By name in lower case: name as written, value.
  std::map<std::string, std::pair<std::string, const json*>> left_;
};

// "8086" or "0x8086".
absl::StatusOr<std::vector<std::string>> TakeHexIds(Members& members, absl::string_view key) {
  XPU_ASSIGN_OR_RETURN(std::vector<std::string> ids, members.TakeStrings(key));
  for (std::string& id : ids) {
    const std::string written = id;
    id = absl::AsciiStrToLower(absl::StripPrefix(absl::AsciiStrToLower(id), "0x"));
    uint32_t number = 0;
    if (id.size() != 4 || !absl::SimpleHexAtoi(id, &number)) {
      return Wrong(members.Where(key),
                   absl::StrCat(Shown(written), " is no PCI id: four hexadecimal digits"));
    }
  }
  return ids;
}

absl::StatusOr<std::vector<std::pair<int, int>>> ParseRanges(absl::string_view text) {
  std::vector<std::pair<int, int>> ranges;
  for (absl::string_view range : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> ends = absl::StrSplit(range, '-');
    int first = 0;
    int last = 0;
    const bool numbers = ends.size() <= 2 && absl::SimpleAtoi(ends.front(), &first) &&
                         absl::SimpleAtoi(ends.back(), &last) && first >= 0;
    if (!numbers || last < first) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", range, "\" is neither an index nor a range of them"));
    }
    ranges.emplace_back(first, last);
  }
  return ranges;
}

absl::StatusOr<std::vector<ParentSelector>> TakeParents(Members& members, absl::string_view key,
                                                        bool addresses) {
  XPU_ASSIGN_OR_RETURN(const std::vector<std::string> texts, members.TakeStrings(key));
  std::vector<ParentSelector> parents;
  for (const std::string& text : texts) {
    const auto wrong = [&](absl::string_view what) {
      return Wrong(members.Where(key), absl::StrCat(Shown(text), ": ", what, "; examples are ",
                                                    addresses ? "\"0000:03:00.0\" and \"0000:03:00.0#0,2-4\""
                                                              : "\"p0\" and \"p0#0,2-4\""));
    };
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(text, absl::MaxSplits('#', 1));
    ParentSelector parent{.parent = std::string(parts.first)};
    if (addresses) {
      const auto address = PciAddress::Parse(parts.first);
      if (!address.ok()) return wrong("before the # must stand the PCI address of a physical function");
      parent.parent = address->ToString();
    } else if (parent.parent.empty()) {
      return wrong("before the # must stand the interface of a physical function");
    }
    if (absl::StrContains(text, '#')) {
      auto ranges = ParseRanges(parts.second);
      if (!ranges.ok()) return wrong(ranges.status().message());
      parent.ranges = *std::move(ranges);
    }
    parents.push_back(std::move(parent));
  }
  return parents;
}

absl::StatusOr<PoolSelector> ReadSelector(const json& value, const std::string& where, PoolDeviceType type,
                                          std::vector<std::string>& warnings) {
  XPU_ASSIGN_OR_RETURN(Members members, Members::Of(value, where));
  PoolSelector selector;
  XPU_ASSIGN_OR_RETURN(selector.vendors, TakeHexIds(members, "vendors"));
  XPU_ASSIGN_OR_RETURN(selector.devices, TakeHexIds(members, "devices"));
  XPU_ASSIGN_OR_RETURN(selector.drivers, members.TakeStrings("drivers"));
  XPU_ASSIGN_OR_RETURN(selector.pf_names, TakeParents(members, "pfNames", /*addresses=*/false));
  XPU_ASSIGN_OR_RETURN(selector.root_devices, TakeParents(members, "rootDevices", /*addresses=*/true));
  XPU_ASSIGN_OR_RETURN(selector.link_types, members.TakeStrings("linkTypes"));
  XPU_ASSIGN_OR_RETURN(selector.is_rdma, members.TakeBool("isRdma"));
  if (type == PoolDeviceType::kAuxNetDevice) {
    XPU_ASSIGN_OR_RETURN(selector.aux_types, members.TakeStrings("auxTypes"));
  } else {
    XPU_ASSIGN_OR_RETURN(selector.pci_addresses, members.TakeStrings("pciAddresses"));
    for (std::string& text : selector.pci_addresses) {
      const auto address = PciAddress::Parse(text);
      if (!address.ok()) {
        return Wrong(members.Where("pciAddresses"),
                     absl::StrCat(Shown(text), " is no PCI address; an example is \"0000:03:00.2\""));
      }
      text = address->ToString();
    }
    XPU_ASSIGN_OR_RETURN(selector.need_vhost_net, members.TakeBool("needVhostNet"));
    XPU_RETURN_IF_ERROR(members.Refuse(
        "vdpaType", "vDPA devices are not offered; take it away to get the functions themselves"));
    XPU_RETURN_IF_ERROR(members.Refuse(
        "ddpProfiles", "functions cannot be told apart by DDP profile; use pfNames or pciAddresses"));
    XPU_RETURN_IF_ERROR(members.Refuse(
        "pKeys", "functions cannot be told apart by partition key; use pfNames or pciAddresses"));
  }
  XPU_RETURN_IF_ERROR(members.Refuse(
      "acpiIndexes", "functions cannot be told apart by ACPI index; use pfNames or pciAddresses"));
  members.WarnOfTheRest(warnings);
  return selector;
}

absl::StatusOr<PoolDeviceType> ReadDeviceType(Members& members) {
  XPU_ASSIGN_OR_RETURN(const std::string text, members.TakeString("deviceType"));
  if (text.empty() || text == "netDevice") return PoolDeviceType::kNetDevice;
  if (text == "auxNetDevice") return PoolDeviceType::kAuxNetDevice;
  if (text == "accelerator") {
    return Wrong(
        members.Where("deviceType"),
        "accelerators are no network functions and not offered; take this resource away, another device "
        "plugin can serve it");
  }
  return Wrong(members.Where("deviceType"),
               absl::StrCat(Shown(text), " is neither netDevice nor auxNetDevice"));
}

absl::Status ReadAdditionalInfo(Members& members, PoolConfig& pool) {
  const json* value = members.Take("additionalInfo");
  if (value == nullptr) return absl::OkStatus();
  const std::string where = members.Where("additionalInfo");
  if (!value->is_object()) return Wrong(where, absl::StrCat("must be an object, not ", Shown(*value)));
  for (const auto& [function, entries] : value->items()) {
    std::string id = function;
    // Names on the auxiliary bus are taken as they are.
    if (const auto parsed = FunctionId::Parse(function); parsed.ok()) id = parsed->ToString();
    const std::string here = absl::StrCat(where, ": ", Shown(function));
    if (!entries.is_object()) return Wrong(here, absl::StrCat("must be an object, not ", Shown(entries)));
    for (const auto& [name, text] : entries.items()) {
      if (!text.is_string()) {
        return Wrong(here, absl::StrCat(Shown(name), " must be a string, not ", Shown(text)));
      }
      pool.additional_info[id][name] = text.get<std::string>();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<PoolConfig> ReadPool(const json& value, const std::string& place, const PoolDefaults& defaults,
                                    std::vector<std::string>& warnings) {
  XPU_ASSIGN_OR_RETURN(Members members, Members::Of(value, place));
  XPU_ASSIGN_OR_RETURN(const std::string name, members.TakeString("resourceName"));
  if (name.empty()) return Wrong(place, "resourceName is missing; it names the resource that pods ask for");
  XPU_ASSIGN_OR_RETURN(std::string prefix, members.TakeString("resourcePrefix"));
  if (prefix.empty()) prefix = defaults.resource_prefix;
  PoolConfig pool{.resource = absl::StrCat(prefix, "/", name)};
  XPU_RETURN_IF_ERROR(Annotate(CheckResourceName(pool.resource), place));
  members.set_where(absl::StrCat("resource ", pool.resource));

  XPU_ASSIGN_OR_RETURN(pool.device_type, ReadDeviceType(members));
  XPU_ASSIGN_OR_RETURN(pool.exclude_topology, members.TakeBool("excludeTopology"));
  XPU_ASSIGN_OR_RETURN(const std::string policy, members.TakeString("allocatePolicy"));
  pool.allocate_policy = defaults.allocate_policy;
  if (!policy.empty()) {
    const auto parsed = ParseAllocatePolicy(policy);
    if (!parsed.ok()) return Wrong(members.Where("allocatePolicy"), parsed.status().message());
    pool.allocate_policy = *parsed;
  }
  if (const json* selectors = members.Take("selectors"); selectors != nullptr) {
    const std::string where = members.Where("selectors");
    if (selectors->is_array()) {
      for (size_t i = 0; i < selectors->size(); ++i) {
        XPU_ASSIGN_OR_RETURN(
            PoolSelector selector,
            ReadSelector((*selectors)[i], absl::StrCat(where, "[", i, "]"), pool.device_type, warnings));
        pool.selectors.push_back(std::move(selector));
      }
    } else {
      XPU_ASSIGN_OR_RETURN(PoolSelector selector,
                           ReadSelector(*selectors, where, pool.device_type, warnings));
      pool.selectors.push_back(std::move(selector));
    }
  }
  XPU_RETURN_IF_ERROR(ReadAdditionalInfo(members, pool));
  members.WarnOfTheRest(warnings);
  return pool;
}

}  // namespace

absl::StatusOr<PoolConfigs> ParsePoolConfigs(absl::string_view text, const PoolDefaults& defaults) {
  json root;
  try {
    root = json::parse(text.begin(), text.end());
  } catch (const json::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat("this is no JSON: ", e.what()));
  }
  PoolConfigs configs;
  XPU_ASSIGN_OR_RETURN(Members members, Members::Of(root, "the configuration"));
  const json* list = members.Take("resourceList");
  if (list == nullptr || !list->is_array() || list->empty()) {
    return absl::InvalidArgumentError(
        "resourceList must be a list of at least one resource, each with a resourceName and selectors");
  }
  members.WarnOfTheRest(configs.warnings);
  std::set<std::string> resources;
  for (size_t i = 0; i < list->size(); ++i) {
    XPU_ASSIGN_OR_RETURN(PoolConfig pool, ReadPool((*list)[i], absl::StrCat("resourceList[", i, "]"),
                                                   defaults, configs.warnings));
    if (!resources.insert(pool.resource).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("resource ", pool.resource,
                       ": is in the resourceList twice; make them one with a list of "
                       "selectors, or give them two names"));
    }
    configs.pools.push_back(std::move(pool));
  }
  return configs;
}

absl::StatusOr<AllocatePolicy> ParseAllocatePolicy(absl::string_view text) {
  if (text == "packed") return AllocatePolicy::kPacked;
  if (text == "spread") return AllocatePolicy::kSpread;
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is neither packed nor spread"));
}

}  // namespace xpu
