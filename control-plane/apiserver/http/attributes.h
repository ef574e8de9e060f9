#pragma once

#include <string>
#include <vector>

#include "common/http/http_server.h"
#include "control-plane/apiserver/auth/identity.h"
#include "control-plane/apiserver/http/route.h"

namespace xpu::apiserver {

// What a request for objects wants to do, as roles name it. A list or watch of one name, by a field selector,
// is of that name.
Attributes AttributesOf(const Route& route, const HttpRequest& request);
// The same for a URL that names no object.
Attributes AttributesOf(const std::vector<std::string>& path, const std::string& method);

}  // namespace xpu::apiserver
