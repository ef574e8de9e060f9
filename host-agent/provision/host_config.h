#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/rpc/tls_credentials.h"
#include "host-agent/inventory/card.h"

namespace xpu {

// Reads a configuration file of the host agent, YAML or JSON: fields as proto/xpu/hostagent/v1/config.proto
// declares them. `source` is its name, for messages. One CardConfig for each physical function.
//
// InvalidArgument, with the path of every field that is unknown, has another type or breaks a rule, and for
// what contradicts itself: overlapping ranges, a driver for a function beyond `vfs`, a number twice.
absl::StatusOr<std::vector<CardConfig>> ReadHostConfig(absl::string_view text, absl::string_view source);

// What the same file says of this host's credentials, by endpoint of the card. Every endpoint of "host:port"
// has some; InvalidArgument if one has none, or two.
absl::StatusOr<std::map<std::string, TlsFiles>> ReadCardCredentials(absl::string_view text,
                                                                    absl::string_view source);

// What the same file says of namespaces: what cards call them, by what this host's cluster does; empty: the
// same. InvalidArgument if one is there twice, on either side.
absl::StatusOr<std::map<std::string, std::string>> ReadCardNamespaces(absl::string_view text,
                                                                      absl::string_view source);

}  // namespace xpu
