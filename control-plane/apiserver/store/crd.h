#pragma once

#include <string>
#include <vector>

#include "common/api/field_error.h"
#include "common/api/kinds.h"
#include "control-plane/apiserver/store/kind_table.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// CustomResourceDefinitions (apiextensions.k8s.io/v1): kinds that are declared while the server runs.

bool IsCrd(const api::KindInfo& kind);

// The versions that it says are served. Empty if there are errors, and for a CRD of a kind that the program
// serves itself, which may be there but says nothing. Another CRD that has the name already is an error.
std::vector<KindPtr> KindsOf(const nlohmann::json& crd, const KindTable& table, api::FieldErrors* errors);

// Fills in names that are not given, and a status that says that the kind is served.
void FillInCrd(nlohmann::json* crd, absl::string_view now);

}  // namespace xpu::apiserver
