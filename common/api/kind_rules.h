#pragma once

#include "common/api/field_error.h"
#include "common/api/kinds.h"
#include "nlohmann/json.hpp"

namespace xpu::api {

// Rules of one kind that go across its fields, which options cannot say. What the rules of the
// fields refuse already is passed over here.
void CheckKindRules(const KindInfo& kind, const nlohmann::json& object, FieldErrors* errors);

}  // namespace xpu::api
