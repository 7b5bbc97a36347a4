#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <exception>
#include <stdexcept>
#include <vector>

#include "line.hpp"

namespace {

/// The numbers of any iterable; sets a Python error and returns false where it is none.
bool numbers(PyObject *given, std::vector<double> &into) {
    PyObject *iterator = PyObject_GetIter(given);
    if (iterator == nullptr) {
        return false;
    }
    while (PyObject *item = PyIter_Next(iterator)) {
        const double number = PyFloat_AsDouble(item);
        Py_DECREF(item);
        if (PyErr_Occurred() != nullptr) {
            break;
        }
        into.push_back(number);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() == nullptr;
}

template <typename Function>
PyObject *guarded(Function function) {
    try {
        return function();
    } catch (const std::invalid_argument &error) {
        PyErr_SetString(PyExc_ValueError, error.what());
    } catch (const std::exception &error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    }
    return nullptr;
}

PyObject *fitted(PyObject *, PyObject *given) {
    return guarded([given]() -> PyObject * {
        std::vector<double> samples;
        if (!numbers(given, samples)) {
            return nullptr;
        }
        const plumbline::Line line = plumbline::fitted(samples);
        return Py_BuildValue("(dd)", line.intercept, line.slope);
    });
}

PyObject *deviation(PyObject *, PyObject *given) {
    return guarded([given]() -> PyObject * {
        std::vector<double> samples;
        if (!numbers(given, samples)) {
            return nullptr;
        }
        return PyFloat_FromDouble(plumbline::deviation(samples));
    });
}

PyMethodDef methods[] = {
    {"fitted", fitted, METH_O, "fitted(samples) -> (intercept, slope) of the line of least squares."},
    {"deviation", deviation, METH_O, "deviation(samples) -> the largest distance from that line."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_core", "The straight line through a row of numbers.", -1, methods,
    nullptr, nullptr, nullptr, nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit__core() { return PyModule_Create(&module); }
