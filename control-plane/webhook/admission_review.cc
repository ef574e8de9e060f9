#include "control-plane/webhook/admission_review.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/api/api.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::webhook {
namespace {

using nlohmann::json;

constexpr char kApiVersion[] = "admission.k8s.io/v1";

std::string Text(const json& object, const char* field) {
  const auto found = object.find(field);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

json Part(const json& object, const char* field) {
  const auto found = object.find(field);
  return found == object.end() ? json() : *found;
}

bool IsIn(const api::FieldError& error, absl::string_view part) {
  return error.field == part || absl::StartsWith(error.field, absl::StrCat(part, ".")) ||
         absl::StartsWith(error.field, absl::StrCat(part, "["));
}

// Both without metadata.
bool SaysTheSame(json a, json b) {
  for (json* object : {&a, &b}) {
    if (object->is_object()) object->erase("metadata");
  }
  return a == b;
}

// What is wrong with the part of the object that the request writes.
absl::Status Check(const json& request) {
  const std::string operation = Text(request, "operation");
  if (operation != "CREATE" && operation != "UPDATE") return absl::OkStatus();
  json object = Part(request, "object");
  const json old = operation == "UPDATE" ? Part(request, "oldObject") : json();
  const api::KindInfo* kind =
      object.is_object() ? api::FindKind(Text(object, "apiVersion"), Text(object, "kind")) : nullptr;
  if (kind == nullptr || kind->message == nullptr) return absl::OkStatus();
  if (old.is_object() && SaysTheSame(object, old)) return absl::OkStatus();
  const bool is_status = Text(request, "subResource") == "status";
  api::ApplyDefaults(*kind, &object);
  api::FieldErrors errors = api::Validate(*kind, object, old.is_object() ? &old : nullptr);
  std::erase_if(errors, [&](const api::FieldError& error) {
    return IsIn(error, "metadata") || IsIn(error, "status") != is_status;
  });
  if (errors.empty()) return absl::OkStatus();
  const json metadata = Part(object, "metadata");
  std::string name = metadata.is_object() ? Text(metadata, "name") : "";
  if (name.empty()) name = Text(request, "name");
  return apiserver::Invalid(kind->resource, name, errors);
}

}  // namespace

absl::StatusOr<json> Review(const json& review) {
  if (!review.is_object() || Text(review, "kind") != "AdmissionReview" ||
      Text(review, "apiVersion") != kApiVersion) {
    return absl::InvalidArgumentError(absl::StrCat("the body is no AdmissionReview of ", kApiVersion));
  }
  const json request = Part(review, "request");
  if (!request.is_object() || Text(request, "uid").empty()) {
    return absl::InvalidArgumentError("the AdmissionReview has no request with a uid");
  }
  json response = {{"uid", Text(request, "uid")}, {"allowed", true}};
  if (const absl::Status wrong = Check(request); !wrong.ok()) {
    response["allowed"] = false;
    response["status"] = apiserver::StatusObject(wrong);
  }
  return json{{"apiVersion", kApiVersion}, {"kind", "AdmissionReview"}, {"response", std::move(response)}};
}

}  // namespace xpu::webhook
