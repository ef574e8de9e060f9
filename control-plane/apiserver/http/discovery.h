#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control-plane/apiserver/store/kind_table.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// What a client asks to find out what there is: /version, /api, /api/v1, /apis, /apis/GROUP and
// /apis/GROUP/VERSION. Nothing for other URLs.
std::optional<nlohmann::json> Discover(const KindTable& kinds, const std::vector<std::string>& path);

}  // namespace xpu::apiserver
