#pragma once

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/hex.h"

namespace xpu {

// The words of gRPC over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md) that are no
// HTTP/2 themselves. Only the standard library, for the CNI shim uses them too.

// A message on the wire: one byte (compressed or not), four bytes of length, the message.
inline constexpr size_t kGrpcPrefix = 5;
// What gRPC's own ends take at most, unless they are told otherwise.
inline constexpr size_t kGrpcMaxMessage = size_t{4} << 20;

struct GrpcPrefix {
  bool compressed = false;
  size_t size = 0;
};

// `bytes` has kGrpcPrefix bytes at least.
inline GrpcPrefix ReadGrpcPrefix(std::string_view bytes) {
  GrpcPrefix prefix;
  prefix.compressed = bytes[0] != 0;
  for (size_t i = 1; i < kGrpcPrefix; ++i) prefix.size = prefix.size << 8 | static_cast<uint8_t>(bytes[i]);
  return prefix;
}

inline std::string FrameGrpcMessage(std::string_view message) {
  std::string frame;
  frame.reserve(kGrpcPrefix + message.size());
  frame.push_back(0);
  for (int shift = 24; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(message.size() >> shift));
  frame.append(message);
  return frame;
}

// The text of a status, for the trailer grpc-message: what is not printable ASCII, and '%', as %XX.
inline std::string EncodeGrpcMessage(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      encoded.push_back(c);
    } else {
      encoded.push_back('%');
      encoded.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
      encoded.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
    }
  }
  return encoded;
}

// The other way; what is no valid escape stays as it is.
inline std::string DecodeGrpcMessage(std::string_view encoded) {
  std::string text;
  text.reserve(encoded.size());
  for (size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] == '%' && i + 2 < encoded.size()) {
      const int high = HexDigit(encoded[i + 1]);
      const int low = HexDigit(encoded[i + 2]);
      if (high >= 0 && low >= 0) {
        text.push_back(static_cast<char>(high << 4 | low));
        i += 2;
        continue;
      }
    }
    text.push_back(encoded[i]);
  }
  return text;
}

// The trailer grpc-status; a malformed one is UNKNOWN (2), as the protocol says.
inline int ParseGrpcStatus(std::string_view text) {
  uint16_t status = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  return error == std::errc() && end == text.data() + text.size() ? status : 2;
}

// What a status code is called.
inline std::string GrpcStatusName(int code) {
  constexpr const char* kNames[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  if (code < 0 || static_cast<size_t>(code) >= std::size(kNames)) return "CODE_" + std::to_string(code);
  return kNames[code];
}

// The status of a call that ended without one, by its HTTP status
// (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
inline int GrpcStatusOfHttp(std::string_view http_status) {
  if (http_status == "400") return 13;
  if (http_status == "401") return 16;
  if (http_status == "403") return 7;
  if (http_status == "404") return 12;
  if (http_status == "429" || http_status == "502" || http_status == "503" || http_status == "504") return 14;
  return 2;
}

// The header grpc-timeout: three digits that count, and a unit. With more of them nearly every call would
// have another value, and HPACK nothing to point to. Rounded down, so that the other end gives up no later
// than this one, but by no more than a hundredth.
inline std::string FormatGrpcTimeout(std::chrono::nanoseconds timeout) {
  struct Unit {
    int64_t nanoseconds;
    char name;
  };
  constexpr Unit kUnits[] = {
      {3'600'000'000'000, 'H'}, {1'000'000'000, 'S'}, {1'000'000, 'm'}, {1'000, 'u'}, {1, 'n'}};
  const int64_t left = timeout.count() > 0 ? timeout.count() : 0;
  const Unit* unit = kUnits;
  while (unit->nanoseconds > 1 && left / unit->nanoseconds < 100) ++unit;
  const int64_t count = left / unit->nanoseconds;
  int64_t digit = 1;
  while (count / digit >= 1000) digit *= 10;
  return std::to_string(count / digit * digit) + unit->name;
}

// Empty if it is malformed.
inline std::optional<std::chrono::nanoseconds> ParseGrpcTimeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  uint32_t count = 0;
  const char* const unit = text.data() + text.size() - 1;
  const auto [end, error] = std::from_chars(text.data(), unit, count);
  if (error != std::errc() || end != unit) return std::nullopt;
  using std::chrono::nanoseconds;
  switch (*unit) {
    case 'n':
      return nanoseconds(count);
    case 'u':
      return std::chrono::microseconds(count);
    case 'm':
      return std::chrono::milliseconds(count);
    case 'S':
      return std::chrono::seconds(count);
    // More than the type holds is for ever.
    case 'M':
    case 'H': {
      const int64_t seconds = int64_t{count} * (*unit == 'M' ? 60 : 3600);
      constexpr int64_t kMost = std::chrono::duration_cast<std::chrono::seconds>(nanoseconds::max()).count();
      return seconds > kMost ? nanoseconds::max() : std::chrono::seconds(seconds);
    }
    default:
      return std::nullopt;
  }
}

}  // namespace xpu
