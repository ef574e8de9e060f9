#include "control-plane/apiserver/store/patching.h"

#include "absl/strings/str_cat.h"
#include "control-plane/apiserver/store/api_error.h"
#include "control-plane/apiserver/store/object_rules.h"
#include "control-plane/apiserver/store/strategic_merge.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

constexpr size_t kMaxOperations = 1000;
// Copies can double an object with each operation; what they copy is bounded as a whole.
constexpr size_t kMaxCopiedBytes = 3 << 20;

absl::Status Misfit(const ResourceKind& kind, const json& target, size_t index, absl::string_view why) {
  return Invalid(kind, MetadataText(target, "name"),
                 {{"FieldValueInvalid", "", absl::StrCat("operation ", index, " of the JSON patch: ", why)}});
}

// What RFC 6902 asks of an operation before it looks at the document.
bool IsOperation(const json& operation) {
  if (!operation.is_object()) return false;
  auto text = [&](const char* name) {
    auto it = operation.find(name);
    return it != operation.end() && it->is_string() ? it->get<std::string>() : std::string("?");
  };
  auto pointer = [&](const char* name) {
    std::string path = text(name);
    return path.empty() || path[0] == '/';
  };
  std::string op = text("op");
  if (!pointer("path")) return false;
  if (op == "add" || op == "replace" || op == "test") return operation.contains("value");
  if (op == "copy" || op == "move") return pointer("from");
  return op == "remove";
}

// An operation that puts or takes something needs a container to do it in. The library takes this for
// granted.
bool HasContainer(const json& target, const json& operation) {
  if (operation["op"] == "test" || operation["op"] == "replace") return true;
  const json::json_pointer path(operation["path"].get<std::string>());
  if (path.empty()) return operation["op"] != "remove";
  const json& parent = target.at(path.parent_pointer());
  return parent.is_object() || parent.is_array();
}

absl::StatusOr<json> ApplyJsonPatch(const ResourceKind& kind, json target, const json& patch) {
  if (!patch.is_array()) return BadRequest("a JSON patch (RFC 6902) is a list of operations");
  if (patch.size() > kMaxOperations) {
    return RequestTooLarge(absl::StrCat("a JSON patch may have at most ", kMaxOperations, " operations"));
  }
  const json original = target;
  size_t copied = 0;
  for (size_t i = 0; i < patch.size(); ++i) {
    const json& operation = patch[i];
    if (!IsOperation(operation)) {
      return BadRequest(absl::StrCat("operation ", i, " of the JSON patch is not one of RFC 6902"));
    }
    try {
      if (operation["op"] == "copy") {
        copied += target.at(json::json_pointer(operation["from"].get<std::string>())).dump().size();
        if (copied > kMaxCopiedBytes) return RequestTooLarge("the copies of the JSON patch are too large");
      }
      if (!HasContainer(target, operation)) return Misfit(kind, original, i, "its path leads into a value");
      target.patch_inplace(json::array({operation}));
    } catch (const json::parse_error& e) {
      return BadRequest(absl::StrCat("operation ", i, " of the JSON patch: ", e.what()));
    } catch (const json::exception& e) {
      return Misfit(kind, original, i, e.what());
    }
  }
  return target;
}

}  // namespace

absl::StatusOr<json> ApplyPatch(const ResourceKind& kind, PatchKind patch_kind, json target,
                                const json& patch) {
  if (patch_kind == PatchKind::kStrategic) return StrategicMerge(std::move(target), patch);
  if (patch_kind == PatchKind::kJson) return ApplyJsonPatch(kind, std::move(target), patch);
  if (!patch.is_object()) return BadRequest("a merge patch (RFC 7386) of an object is an object");
  target.merge_patch(patch);
  return target;
}

}  // namespace xpu::apiserver
